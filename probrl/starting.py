"""ctrl-C while the shell is being imported, which takes seconds: one line and an exit code, as later on.

Imported before everything else of the package, this module lets ctrl-C end the process at once until :func:`ready`.
Nothing changes for a script that imports the package.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

INTERRUPTED = 130


def is_shell() -> bool:
    """Whether this process is ``probrl ...`` or ``python -m probrl ...``, and no script that imports the package."""
    asked = sys.orig_argv
    after = asked[asked.index("-m") + 1] if "-m" in asked[:-1] else ""
    return Path(sys.argv[0]).name.split(".")[0] == "probrl" or (sys.argv[0] == "-m" and after == "probrl")


def ready() -> None:
    """Lets ctrl-C be a KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    # libraries that are half imported would turn an exception into one of theirs, or into a traceback of their own
    os.write(2, b"probrl: interrupted\n")
    os._exit(INTERRUPTED)


if (
    signal.getsignal(signal.SIGINT) is signal.default_int_handler
    and is_shell()
    and threading.current_thread() is threading.main_thread()
):
    signal.signal(signal.SIGINT, _end)

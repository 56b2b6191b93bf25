"""Finds the command, runs it, and turns what a user did wrong into one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from probrl.cli.arguments import UsageError, nearest_word
from probrl.errors import ProbrlError

USAGE = """usage: probrl COMMAND ...

  train ALGORITHM   learn in an environment and keep everything in a run folder
  resume RUN        go on with a run that was interrupted
  eval RUN          play whole episodes with what a run learned
  show ALGORITHM    print the equations that an algorithm trains
  list              algorithms and environments

probrl COMMAND --help says more; probrl --version says which this is.
"""


def _commands() -> dict[str, Callable[[list[str]], None]]:
    # torch takes a second to import, so `probrl --help` does without
    from probrl.cli import commands
    from probrl.cli.resume import resume

    return {
        "train": commands.train,
        "resume": resume,
        "eval": commands.evaluate,
        "show": commands.show,
        "list": commands.list_all,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit code: 0, 1 for an error, 2 for a misspelt line, 130 after ctrl-C.

    Args:
        arguments: the words after ``probrl``; None takes those of the process.

    Example:
        >>> main(["--help"])  # doctest: +ELLIPSIS
        usage: probrl COMMAND ...
        ...
        0
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0 if words else 2
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"probrl {version('probrl')}")
        return 0
    try:
        command = nearest_word("command", words[0], ["train", "resume", "eval", "show", "list"])
        _commands()[command](words[1:])
    except UsageError as error:
        return _say(error, 2)
    except ProbrlError as error:
        return _say(error, 1)
    except KeyboardInterrupt as stop:
        return _say(stop if str(stop) else "interrupted", 130)
    except OSError as error:  # a full disk, a folder that may not be written to
        return _say(f"{error.strerror or error}: {error.filename}" if error.filename else error, 1)
    return 0


def _say(error: object, code: int) -> int:
    print(f"probrl: {' '.join(str(error).split())}", file=sys.stderr)
    return code

"""Finds the command, runs it, and turns what a user did wrong into one line and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from probrl import starting
from probrl.cli.arguments import UsageError, nearest_word
from probrl.errors import ProbrlError

COMMANDS = {  # what each takes, what it does, and where it is: torch takes a second to import, so help does without
    "train": ("ALGORITHM", "train an agent in an environment and save everything in a run folder", "train.train"),
    "train-model": (
        "MODEL",
        "train a generative model on data and save everything in a run folder",
        "train_model.train_model",
    ),
    "resume": ("RUN", "continue an interrupted run", "resume.resume"),
    "eval": (
        "RUN",
        "play whole episodes with the agent of a run, or measure the samples of a model",
        "evaluate.evaluate",
    ),
    "plot": (
        "RUN [RUN ...]",
        "draw the learning curves of runs; seeds of one setting as mean and interval",
        "plot.plot",
    ),
    "show": ("ALGORITHM | MODEL", "print the equations that an algorithm or a generative model trains", "show.show"),
    "list": (
        "[ALGORITHM | MODEL]",
        "algorithms with their defaults, generative models, data sets, distributions, environments",
        "listing.list_all",
    ),
}
USAGE = "\n".join(
    ["usage: probrl COMMAND ...", ""]
    + [f"  {f'{name} {takes}':<26}{does}" for name, (takes, does, _) in COMMANDS.items()]
    + [
        "",
        "to start: probrl train ppo --env-id CartPole-v1",
        "probrl COMMAND --help describes its options; probrl --version prints the version.",
        "",
    ]
)


def _command(name: str) -> Callable[[list[str]], None]:
    module, _, function = COMMANDS[name][2].partition(".")
    found: Callable[[list[str]], None] = getattr(import_module(f"probrl.cli.{module}"), function)
    return found


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
        command = _command(nearest_word("command", words[0], COMMANDS))
        starting.ready()
        with _warnings_in_one_line():
            command(words[1:])
    except UsageError as error:
        return _say(error, 2)
    except ProbrlError as error:
        return _say(error, 1)
    except KeyboardInterrupt as stop:
        return _say(stop if str(stop) else "interrupted", 130)
    except BrokenPipeError:  # who read the output has seen enough, as in probrl list | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a full disk, a folder that may not be written to
        return _say(f"{error.strerror or error}: {error.filename}" if error.filename else error, 1)
    return 0


def _say(error: object, code: int) -> int:
    print(f"probrl: {' '.join(str(error).split())}", file=sys.stderr)
    return code


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Lets warnings be said as errors are, without the place in the code that they come from."""

    def say(message: Warning | str, *place: object, **more: object) -> None:
        print(f"probrl: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = say
        yield

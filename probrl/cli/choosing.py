"""From words to an algorithm with its hyper-parameters: flags, below them a file of flags, below it tuned values."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tyro

from probrl.cli.arguments import UsageError, flags_of, nearest_word, parse
from probrl.cli.config import read_config, words_of
from probrl.training import Settings
from probrl.training.catalogue import algorithm_class, algorithm_names
from probrl.training.tuned import tuned

RUNNING = "settings"  # the group of flags that say how it is run


@dataclass(frozen=True)
class Choice:
    """What a command line chose.

    Attributes:
        name: of the algorithm.
        algorithm: the declaration with its hyper-parameters.
        options: the command's own flags.
        settings: how it is run, by name, as far as the command has flags for it.
    """

    name: str
    algorithm: Any
    options: Any
    settings: dict[str, Any]


def choose(command: type[Any], words: list[str], verb: str, settings: Sequence[str] = ()) -> Choice:
    """Reads a command line that begins with an algorithm's name.

    Args:
        command: a frozen dataclass with the command's own flags, among them ``env_id``, ``config`` and ``tuned``.
        words: the command line after the command.
        verb: the command.
        settings: which fields of :class:`Settings` are flags too.

    Errors:
        UsageError for whatever cannot be understood.
    """
    name, rest = algorithm_of(words, verb)
    cls = algorithm_class(name)
    path = said(rest, "config") or None
    config, lines = _from_file(path, command, settings, name) if path is not None else ({}, [])
    env = said(rest, "env-id") or config.get("env_id") or command.env_id
    suits = _last(rest, ("--tuned", "--no-tuned"), "--tuned" if config.get("tuned", True) else "") == "--tuned"
    flags = _joined(command, settings, name, tuned(cls, env) if suits else {}, env)
    found: Any = parse(flags, lines + rest, f"{verb} {name}")
    values = {f.name: getattr(getattr(found, name), f.name) for f in dataclasses.fields(getattr(found, name))}
    # what was said is told apart from what was shown as a default, because choices decide the size of a minibatch
    given = {key: value for key, value in values.items() if key in config or key in _names(rest)}
    algorithm = cls(**(tuned(cls, env, given) if suits else given))
    return Choice(name, algorithm, found, dataclasses.asdict(getattr(found, RUNNING)) if settings else {})


def algorithm_of(words: list[str], verb: str) -> tuple[str, list[str]]:
    """The algorithm that a command line names first, and the rest of it.

    Errors:
        UsageError with the nearest name, or all of them.
    """
    names = algorithm_names()
    if not words or words[0].startswith("-"):
        raise UsageError(f"say which algorithm first, as in probrl {verb} ppo: known are {', '.join(names)}")
    if words[0] not in names:
        from probrl.training.generating import models

        if words[0] in models():
            raise UsageError(f"{words[0]!r} is a generative model: write probrl {verb}-model {words[0]}")
    return nearest_word("algorithm", words[0], names), words[1:]


def algorithms_in_words() -> str:
    """The algorithms, with what each says of itself."""
    lines = [
        f"  {name:<20}{(algorithm_class(name).__doc__ or '').strip().splitlines()[0]}" for name in algorithm_names()
    ]
    return "\n".join(["algorithms", *lines])


def usage(verb: str, others: str = "") -> str:
    """The help of a command that takes an algorithm, before one is named; ``others`` are what else it takes."""
    takes = "ALGORITHM | MODEL" if others else "ALGORITHM"
    known = "\n\n".join(filter(None, [algorithms_in_words(), others]))
    return (
        f"usage: probrl {verb} {takes} [OPTIONS]\n\n{known}\n\n"
        f"probrl {verb} ppo --help shows the options of ppo with their defaults, and so for the others."
    )


def said(words: list[str], flag: str) -> str | None:
    """The value of a flag as it stands in a command line, the last one if there are several.

    Example:
        >>> said(["--env-id", "A", "--seed=3", "--env_id=B"], "env-id"), said([], "env-id")
        ('B', None)
    """
    found = None
    for i, word in enumerate(words):
        head, equals, tail = word.partition("=")
        if head.replace("_", "-") == f"--{flag}":
            found = tail if equals else (words[i + 1] if i + 1 < len(words) else None)
    return found


def _from_file(path: str, command: type[Any], settings: Sequence[str], name: str) -> tuple[dict[str, Any], list[str]]:
    flags = _joined(command, settings, name, {})
    parts = (command, *(hint for key, hint in typing.get_type_hints(flags).items() if key in (RUNNING, name)))
    kinds = {
        key: hint for part in parts for key, hint in typing.get_type_hints(part).items() if key not in (RUNNING, name)
    }
    config = read_config(path, name, [key for key in kinds if key != "config"])
    lines = words_of(config, kinds, path)
    try:
        parse(flags, lines, name)  # alone, so that a message names the file
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return config, lines


def _joined(
    command: type[Any], settings: Sequence[str], name: str, defaults: dict[str, Any], env: str | None = None
) -> type[Any]:
    """The flags of a command, those that say how it is run, and those of an algorithm, each a group of the help."""
    groups = [(RUNNING, flags_of(Settings, only=settings))] if settings else []
    hyper = flags_of(algorithm_class(name), defaults)
    if defaults:
        first, *rest = (hyper.__doc__ or "").split("\n\n")
        hyper.__doc__ = "\n\n".join([f"{first} The defaults are those that suit {env}.", *rest])
    groups.append((name, hyper))
    fields = [
        (key, tyro.conf.OmitArgPrefixes[group], dataclasses.field(default_factory=group))  # type: ignore[misc, valid-type]
        for key, group in groups
    ]
    own = flags_of(command)
    both = dataclasses.make_dataclass(command.__name__, fields, bases=(own,), frozen=True)
    both.__doc__ = own.__doc__
    return both


def _names(words: list[str]) -> set[str]:
    flags = {word.partition("=")[0].removeprefix("--") for word in words if word.startswith("--")}
    flags = {flag.replace("-", "_") for flag in flags}
    return flags | {flag.removeprefix("no_") for flag in flags}


def _last(words: list[str], choices: tuple[str, ...], default: str) -> str:
    return next((word for word in reversed(words) if word in choices), default)

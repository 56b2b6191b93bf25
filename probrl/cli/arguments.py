"""From words to frozen dataclasses, with every mistake said in one line."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import inspect
import io
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from probrl.errors import ProbrlError

T = TypeVar("T")
PLAIN = (int, float, bool, str, type(None))
PLAINLY = (  # what the parser says, and what is meant
    (r"no type matching \{None\}\|INT could be instantiated from \['(.*?)'\].*", r"'\1' is no whole number"),
    (r"no type matching \{None\}\|FLOAT could be instantiated from \['(.*?)'\].*", r"'\1' is no number"),
    (r"invalid literal for int\(\) with base 10: ", "this is no whole number: "),
    (r"could not convert string to float: ", "this is no number: "),
    (r"^(Unrecognized options: (?i:true|false|yes|no|on|off)\b.*)", r"\1: a switch is written without, --x or --no-x"),
    (r"Could not find valid parse for arguments: \[(.*)\]", r"\1 cannot be read"),
    (r"Missing value for argument '(.*?)'\. Expected 1 values\.", r"\1 needs a value"),
)


class UsageError(ProbrlError, ValueError):
    """A command line that says nothing this program knows."""


def nearest_word(kind: str, word: str, known: Iterable[str]) -> str:
    """The word itself if it is known.

    Errors:
        UsageError naming the nearest known word, or all of them.
    """
    known = sorted(known)
    if word in known:
        return word
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    raise UsageError(f"no {kind} is called {word!r}: {hint}")


def parse(cls: type[T], words: list[str], name: str) -> T:
    """An instance of a frozen dataclass from flags.

    Args:
        cls: whose fields are the flags; its docstring is the help text.
        words: the command line after the command.
        name: how the command is called, for the help text.

    Errors:
        UsageError for an unknown flag (with the nearest one), a missing or a malformed value.
    """
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(_legible(cls), args=_switched(cls, words), prog=f"probrl {name}")
    except SystemExit as stop:
        if not stop.code:
            raise SystemExit(0) from None  # --help was printed
        raise UsageError(_one_line(said.getvalue())) from None


def _switched(cls: type[Any], words: list[str]) -> list[str]:
    """The words with ``--x`` and ``--no-x`` also for a switch that may be left open, which has values otherwise."""
    names, found = set(_open_switches(cls)), list[str]()
    for word, after in zip(words, [*words, ""][1:], strict=True):
        name = word.removeprefix("--").replace("_", "-")
        if word.startswith("--") and name in names and (not after or after.startswith("-")):
            found += [word, "True"]
        elif word.startswith("--no") and name.removeprefix("no-") in names and name not in names:
            found += [f"--{name.removeprefix('no-')}", "False"]
        else:
            found.append(word)
    return found


def _open_switches(cls: type[Any]) -> Iterable[str]:
    for name, hint in typing.get_type_hints(cls).items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from _open_switches(hint)
        elif {bool, type(None)} <= set(typing.get_args(hint)):
            yield name.replace("_", "-")


def _legible(cls: type[T]) -> type[T]:
    """The same flags with types that a person can read in the help text."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields: list[tuple[str, Any, Any]] = [
        (f.name, _readable(hints[f.name]), dataclasses.field(default=f.default))
        for f in dataclasses.fields(cls)  # type: ignore[arg-type]
        if hints[f.name] is str or type(None) in typing.get_args(hints[f.name])
    ]
    legible = dataclasses.make_dataclass(cls.__name__, fields, bases=(cls,), frozen=True)
    legible.__doc__ = cls.__doc__
    return legible


def _one_line(box: str) -> str:
    """The message inside the box that tyro draws (of dashes where that is all there is), and its nearest flag."""
    lines = [line.strip().strip("│").strip() for line in box.splitlines() if line.strip()]
    titled = not lines[:1] or lines[0].startswith("╭")
    blocks = re.split(r"\s*[─-]{8,}\s*", "\n".join(line for line in lines if line[:1] not in "╭╰"))
    message, *rest = [" ".join(block.split()) for block in blocks[0 if titled else 1 :]] or [""]
    for pattern, plain in PLAINLY:
        message = re.sub(pattern, plain, message)
    meant = re.search(r"Perhaps you meant:.*?(--[\w-]+)", " ".join(rest))
    return f"{message}: did you mean {meant[1]}?" if meant else message or "that command line cannot be read"


def flags_of(cls: type[Any], defaults: Mapping[str, Any] | None = None, only: Iterable[str] | None = None) -> type[Any]:
    """A dataclass with the fields of another that a shell can say: numbers, words, tuples of them.

    Args:
        cls: whose fields; its docstring explains them.
        defaults: other ones than its own, by name.
        only: the names of those that are wanted; None is all.
    """
    hints = typing.get_type_hints(cls, vars(sys.modules[cls.__module__]))
    fields: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(cls):
        kind = _plain(hints.get(field.name, type(field.default)), field.default)
        if field.init and kind is not None and (only is None or field.name in only):
            default = (defaults or {}).get(field.name, field.default)
            fields.append((field.name, _readable(kind), dataclasses.field(default=default)))
    flags = dataclasses.make_dataclass(cls.__name__, fields, frozen=True)
    flags.__doc__ = _shell_words(inspect.getdoc(cls) or "", any(default.default is None for *_, default in fields))
    return flags


def _shell_words(text: str, open_ended: bool) -> str:
    """A docstring without what only Python's readers need: its first paragraph and its arguments."""
    first, *rest = text.replace("``", "").split("\n\n")
    said = "\n\n".join([first, *(p for p in rest if p.startswith("Args:"))])
    said = re.sub(r"; in Python[^.]*", "", said)  # what no word can say
    hint = " Where a text speaks of None, that word is a value." if open_ended and "None" in said else ""
    return said.replace(first, first + hint, 1)


def _plain(hint: Any, default: Any) -> Any:
    """The part of a type that a shell can say, or None: a learning rate may also be a formula, but not here."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [m for m in typing.get_args(hint) if m in PLAIN or typing.get_origin(m) is tuple]
        if not members or members == [type(None)]:
            return None
        return typing.Union[tuple(members)]  # noqa: UP007 - the members are known at run time only
    if hint in PLAIN or typing.get_origin(hint) in (tuple, typing.Literal):
        return hint
    return type(default) if type(default) in (int, float, bool, str) else None


def _readable(kind: Any) -> Any:
    """A type whose help says what to write: INT rather than {None}|INT, and what happens without it."""
    import tyro

    members = typing.get_args(kind)
    if kind is str:
        return Annotated[kind, tyro.conf.arg(metavar="TEXT")]
    if type(None) not in members:
        return kind
    names = "|".join(_word(member) for member in members if member is not type(None))
    hint = lambda default: "" if default == "None" else f"(default: {default})"  # noqa: E731 - tyro calls it
    return Annotated[kind, tyro.conf.arg(metavar=names, help_behavior_hint=hint)]


def _word(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return "{" + ",".join(map(str, typing.get_args(kind))) + "}"
    return {int: "INT", float: "FLOAT", str: "TEXT", bool: "{True,False}"}.get(kind, "VALUES")

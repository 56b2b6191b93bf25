"""The state of an environment, level by level: every wrapper and what it wraps, by their attributes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
import torch

from probrl.envs.plain import PLAIN, NotPlain, Reader, Writer

# what a constructor was given, and what only says how an environment is drawn or registered
CONSTANT = ("env", "spec", "_cached_spec", "_saved_kwargs", "metadata", "render_mode", "_metadata", "_render_mode")
GENERATORS = (np.random.Generator, np.random.RandomState, random.Random, torch.Generator)


def levels(env: Any) -> list[Any]:
    """An environment and what it wraps, from the outermost to the innermost."""
    found = [env]
    while isinstance(found[-1], (gymnasium.Wrapper, gymnasium.vector.VectorWrapper)):
        found.append(found[-1].env)
    return found


def speaks(level: Any) -> bool:
    """Whether an environment or wrapper has methods ``state()`` and ``set_state(state)`` of its own."""
    return all(callable(getattr(type(level), name, None)) for name in ("state", "set_state"))


def take(found: list[Any], constant: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The state of some levels in plain types and tensors.

    Args:
        found: the levels.
        constant: further attributes that nobody moves.

    Errors:
        NotPlain naming the attribute that has no plain form.
    """
    return told(Writer(owners=tuple(found)), found, constant)


def told(writer: Writer, found: list[Any], constant: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What :func:`take` takes, by a writer who can be asked afterwards how sure it is of it."""
    return [_take(level, writer, (*CONSTANT, *constant)) for level in found]


def put(
    found: list[Any],
    taken: list[dict[str, Any]],
    constant: tuple[str, ...] = (),
    known: Mapping[str, int] | None = None,
) -> None:
    """Moves levels to a state that :func:`take` took.

    Errors:
        NotPlain if the levels are others, or did not reach that state.
    """
    names = [_name(level) for level in found]
    if names != [level["class"] for level in taken]:
        raise NotPlain(f"it was {' > '.join(x['class'] for x in taken)}, here it is {' > '.join(names)}")
    reader = Reader()
    for level, state in zip(found, taken, strict=True):
        _put(level, state, reader, (*CONSTANT, *constant))
    if not same(told(Writer(tuple(found), known), found, constant), taken):
        raise NotPlain("it did not reach the state that it was given")


def start(env: Any) -> list[dict[str, Any]]:
    """What an episode may depend on beside its seed: all of every wrapper, numbers and generators of the environment."""
    found = levels(env)
    return [*(_start(level, tuple(found)) for level in found[:-1]), _scalars(found[-1])]


def put_start(env: Any, taken: list[dict[str, Any]]) -> None:
    """Moves wrappers, numbers and generators back; see :func:`start`."""
    for level, state in zip(levels(env), taken, strict=True):
        reader = Reader()
        if "scalars" not in state:
            _put(level, state, reader, CONSTANT)
            continue
        for name, written in state["scalars"].items():
            setattr(level, name, reader.read(written, vars(level).get(name), name))


def _start(level: Any, owners: tuple[Any, ...]) -> dict[str, Any]:
    try:
        return _take(level, Writer(owners), CONSTANT)
    except NotPlain:
        return _scalars(level)


def _scalars(level: Any) -> dict[str, Any]:
    writer = Writer()
    return {"scalars": {k: writer.write(v, k) for k, v in _attributes(level, CONSTANT) if _told_briefly(v)}}


def same(a: Any, b: Any) -> bool:
    """Whether two written states are equal bit for bit."""
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        both = isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and a.dtype == b.dtype
        return both and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(x, b[k]) for k, x in a.items())
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b or (a != a and b != b)


def _take(level: Any, writer: Writer, constant: tuple[str, ...]) -> dict[str, Any]:
    if any(getattr(cls, "__slots__", ()) for cls in type(level).__mro__ if "__slots__" in vars(cls)):
        raise NotPlain(f"{type(level).__name__} keeps its state in slots")
    if speaks(level):
        generator = vars(level).get("_np_random")
        try:
            state = level.state()
        except Exception as error:
            raise NotPlain(f"its state() raised {type(error).__name__} {error}") from error
        own = {"own": writer.write(state, "state()"), "generator": writer.write(generator)}
        return {"class": _name(level), **own}
    name = type(level).__name__
    return {
        "class": _name(level),
        "attributes": {k: writer.write(v, f"{name}.{k}") for k, v in _attributes(level, constant)},
    }


def _put(level: Any, state: dict[str, Any], reader: Reader, constant: tuple[str, ...]) -> None:
    if "own" in state:
        own = reader.read(state["own"])
        level._np_random = reader.read(state["generator"], vars(level).get("_np_random"))
        level.set_state(own)
        return
    now, attributes = vars(level), state["attributes"]
    for name in [k for k, _ in _attributes(level, constant) if k not in attributes]:
        delattr(level, name)
    for name, written in attributes.items():
        now[name] = reader.read(written, now.get(name), f"{type(level).__name__}.{name}")


def _told_briefly(value: Any) -> bool:
    return (
        type(value) in PLAIN or isinstance(value, (np.number, np.bool_, gymnasium.Space)) or type(value) in GENERATORS
    )


def _attributes(level: Any, constant: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    return ((k, v) for k, v in list(vars(level).items()) if k not in constant)


def _name(level: Any) -> str:
    return type(level).__qualname__

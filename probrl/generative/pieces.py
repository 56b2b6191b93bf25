"""Small pure functions of formulas that models need: fresh events, joint vectors, tables of a solver's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from probrl.distributions.heads import Value
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.state import Network
from probrl.generative.conditioned import joined, size


@dataclass(frozen=True)
class Called(Value):
    """A value under a letter, which is no metric."""


@dataclass(frozen=True)
class Passed(Called):
    """A state that a solver passes, under its letter on every page: with its body in its place, each step would double it."""

    lettered: ClassVar[bool] = True


def called(name: str, x: Expr) -> Expr:
    """A value that prints as a letter, with a line that says what it is."""
    return n.Definition(Called(name), (x,))


def passed_by(k: int, x: Expr) -> Expr:
    """The state after k steps, under a letter."""
    return n.Definition(Passed(f"x_{k}"), (x,))


def event_like(rows: Expr, shape: tuple[int, ...]) -> Expr:
    """Something with the rows of an expression and an event of a shape; only its shape matters."""
    return n.Call(_event(shape), "live", (rows,), len(shape), ())


def flat(x: Expr, shape: tuple[int, ...]) -> Expr:
    """An event as a vector."""
    return x if len(shape) == 1 else n.Call(_flat(), "live", (x,), 1, ())


def shaped(x: Expr, shape: tuple[int, ...]) -> Expr:
    """A vector as an event of a shape."""
    return x if len(shape) == 1 else n.Call(_shaped(shape), "live", (x,), len(shape), ())


def joint(values: tuple[Expr, ...], shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> Expr:
    """Several variables as one vector."""
    return n.Call(_joint(shapes), "live", values, 1, ())


def part(x: Expr, position: int, shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> Expr:
    """One of the variables of a joint vector."""
    start = sum(size(shape) for _, shape in shapes[:position])
    return n.Call(_part(shapes[position][0], start, shapes[position][1]), "live", (x,), len(shapes[position][1]), ())


def table(name: str, numbers: np.ndarray[Any, Any], index: Expr) -> Expr:
    """The entry of a list of numbers at an index."""
    if isinstance(index, n.Number):
        return n.Number(float(numbers[int(index.value)]), None)
    if (numbers == numbers[0]).all():
        return n.Number(float(numbers[0]), None)
    return n.Call(_table(name, tuple(float(x) for x in numbers)), "live", (index,), 0, ())


@lru_cache(maxsize=256)
def _event(shape: tuple[int, ...]) -> Network:
    def ones(rows: Any) -> Tensor:
        first = next(iter(_tensors(rows)))
        like = first if first.is_floating_point() else first.new_zeros((), dtype=torch.get_default_dtype())
        return like.new_ones(first.shape[0], *shape)

    return Network("event", ones, None, True)


def _tensors(value: Any) -> list[Tensor]:
    from torch.utils._pytree import tree_leaves

    return [x for x in tree_leaves(value) if isinstance(x, Tensor)]


@lru_cache(maxsize=1)
def _flat() -> Network:
    return Network("vec", lambda x: x.flatten(1), None, True)


@lru_cache(maxsize=256)
def _shaped(shape: tuple[int, ...]) -> Network:
    return Network("event", lambda x: x.unflatten(1, shape), None, True)


@lru_cache(maxsize=256)
def _joint(shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> Network:
    return Network("joint", lambda *xs: joined(dict(zip(dict(shapes), xs, strict=True)), dict(shapes)), None, True)


@lru_cache(maxsize=256)
def _part(name: str, start: int, shape: tuple[int, ...]) -> Network:
    return Network(name, lambda x: x.narrow(1, start, size(shape)).reshape(len(x), *shape), None, True)


@lru_cache(maxsize=1024)
def _table(name: str, numbers: tuple[float, ...]) -> Network:
    made: dict[Any, Tensor] = {}

    def look_up(index: Tensor) -> Tensor:
        key = (index.device, torch.get_default_dtype())
        if key not in made:
            made[key] = torch.tensor(numbers, device=index.device)
        return made[key][index.long()]

    return Network(name, look_up, None, True)

"""The array rules of the nodes that are structure and not arithmetic: forward, and the adjoint of each argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from math import prod
from typing import Any

import numpy as np

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.symbolic.rules import reduced

Arrays = Sequence[np.ndarray]


@dataclass
class Layout:
    """One dimension per axis name, then ``event`` dimensions, of size 1 where a value does not vary."""

    axes: tuple[str, ...]
    event: int
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def dims(self) -> int:
        """How many dimensions every array has."""
        return len(self.axes) + self.event

    def place(self, x: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """An array laid out ``(*names, *event)`` in the common layout."""
        rank = x.ndim - len(names)
        order = [names.index(a) for a in self.axes if a in names]
        x = x.transpose((*order, *range(len(names), x.ndim)))
        lead = [x.shape[order.index(names.index(a))] if a in names else 1 for a in self.axes]
        return x.reshape((*lead, *([1] * (self.event - rank)), *x.shape[len(names) :]))

    def take(self, x: np.ndarray, names: tuple[str, ...], rank: int) -> np.ndarray:
        """The inverse of :meth:`place`."""
        lead = [x.shape[self.axes.index(a)] for a in self.axes if a in names]
        event = x.shape[self.dims - rank :]
        x = x.reshape((*lead, *event))
        have = [a for a in self.axes if a in names]
        return x.transpose((*(have.index(a) for a in names), *range(len(have), x.ndim)))

    def broadcast(self, x: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """The array repeated to the full size of some axes."""
        shape = list(x.shape)
        for name in names:
            shape[self.axes.index(name)] = self.sizes.get(name, shape[self.axes.index(name)])
        return np.broadcast_to(x, shape)


@singledispatch
def forward(node: Expr, layout: Layout, args: Arrays) -> np.ndarray:
    """The value of a structural node from those of its arguments."""
    raise NotImplementedError(type(node).__name__)


@singledispatch
def backward(node: Expr, layout: Layout, args: Arrays, value: np.ndarray, adjoint: np.ndarray) -> list[Any]:
    """The adjoints of a structural node's arguments; None for one through which no gradient passes."""
    raise NotImplementedError(type(node).__name__)


# --- reductions ------------------------------------------------------------------------------------------------
def _spread(node: n.Reduce, layout: Layout, args: Arrays) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """The argument at full size, its weights (0 where a row does not count), and the dimensions to reduce."""
    if node.over == "event":
        return args[0], np.ones_like(args[0]), tuple(range(len(layout.axes), layout.dims))
    names = [a.name for a in reduced(node)]
    mask = prod(args[1:], start=np.ones((1,) * layout.dims))
    full = layout.broadcast(args[0], names)
    shape = np.broadcast_shapes(full.shape, mask.shape)
    return (
        np.broadcast_to(full, shape),
        np.broadcast_to(mask != 0, shape).astype(float),
        tuple(layout.axes.index(a) for a in names),
    )


@forward.register
def _(node: n.Reduce, layout: Layout, args: Arrays) -> np.ndarray:
    x, weights, dims = _spread(node, layout, args)
    if node.op in ("sum", "mean"):
        total = np.where(weights > 0, x, 0.0).sum(dims, keepdims=True)
        return total if node.op == "sum" else total / np.maximum(weights.sum(dims, keepdims=True), 1)
    outside = np.inf if node.op == "min" else -np.inf
    return getattr(np, node.op)(np.where(weights > 0, x, outside), axis=dims, keepdims=True)


@backward.register
def _(node: n.Reduce, layout: Layout, args: Arrays, value: np.ndarray, adjoint: np.ndarray) -> list[Any]:
    x, weights, dims = _spread(node, layout, args)
    if node.op == "mean":
        return [adjoint * weights / np.maximum(weights.sum(dims, keepdims=True), 1)]
    if node.op == "sum":
        return [adjoint * weights]
    hit = (x == value) * weights
    return [adjoint * hit / np.maximum(hit.sum(dims, keepdims=True), 1)]  # where no row counts, none is hit


@forward.register
def _(node: n.Range, layout: Layout, args: Arrays) -> np.ndarray:
    dim = layout.axes.index(node.axis.name)
    return np.arange(float(args[0].shape[dim])).reshape([-1 if d == dim else 1 for d in range(layout.dims)])


# --- axes ------------------------------------------------------------------------------------------------------
@forward.register
def _(node: n.Arg, layout: Layout, args: Arrays) -> np.ndarray:
    pick = np.argmax if node.op == "max" else np.argmin
    return pick(layout.broadcast(args[0], [node.axis]), axis=layout.axes.index(node.axis), keepdims=True).astype(float)


@backward.register(n.Arg)
@backward.register(n.Range)
def _(node: Expr, layout: Layout, args: Arrays, value: np.ndarray, adjoint: np.ndarray) -> list[Any]:
    return [None]


def _gathered(node: n.At, layout: Layout, args: Arrays) -> tuple[np.ndarray, np.ndarray, int]:
    dim = layout.axes.index(node.axis)
    x, index = layout.broadcast(args[0], [node.axis]), args[1].astype(int)
    outer = list(
        np.broadcast_shapes(
            [1 if d == dim else s for d, s in enumerate(x.shape)],
            [1 if d == dim else s for d, s in enumerate(index.shape)],
        )
    )
    return (
        np.broadcast_to(x, [x.shape[dim] if d == dim else s for d, s in enumerate(outer)]),
        np.broadcast_to(index, [index.shape[dim] if d == dim else s for d, s in enumerate(outer)]),
        dim,
    )


@forward.register
def _(node: n.At, layout: Layout, args: Arrays) -> np.ndarray:
    return np.take_along_axis(*_gathered(node, layout, args))


@backward.register
def _(node: n.At, layout: Layout, args: Arrays, value: np.ndarray, adjoint: np.ndarray) -> list[Any]:
    x, index, dim = _gathered(node, layout, args)
    chosen = np.arange(x.shape[dim]).reshape([-1 if d == dim else 1 for d in range(layout.dims)])
    total = np.zeros(np.broadcast_shapes(x.shape, np.take(adjoint, [0], dim).shape))
    for i in range(index.shape[dim]):
        total = total + np.take(adjoint, [i if adjoint.shape[dim] > 1 else 0], dim) * (
            np.take(index, [i], dim) == chosen
        )
    return [total, None]


@forward.register
def _(node: n.Rename, layout: Layout, args: Arrays) -> np.ndarray:
    return _renamed(node.source, node.target, layout, args[0])


@backward.register
def _(node: n.Rename, layout: Layout, args: Arrays, value: np.ndarray, adjoint: np.ndarray) -> list[Any]:
    return [_renamed(node.target, node.source, layout, adjoint)]


def _renamed(source: str | None, target: str | None, layout: Layout, x: np.ndarray) -> np.ndarray:
    first = len(layout.axes)
    if source is None:  # the last event dimension leaves, the others move up
        assert target is not None
        x = np.moveaxis(x, -1, first)
        return np.swapaxes(x, first, layout.axes.index(target))
    if target is None:  # the first event dimension is free
        x = np.swapaxes(x, first, layout.axes.index(source))
        return np.moveaxis(x, first, -1)
    return np.swapaxes(x, layout.axes.index(source), layout.axes.index(target))


@forward.register
def _(node: n.Shift, layout: Layout, args: Arrays) -> np.ndarray:
    dim = layout.axes.index(node.axis)
    x = layout.broadcast(args[0], [node.axis])
    if node.offset > 0:
        return np.concatenate([np.delete(x, 0, dim), np.take(x, [-1], dim)], dim)
    return np.where(_starts(layout, x, args, dim), args[1], np.roll(x, 1, dim))


def _starts(layout: Layout, x: np.ndarray, args: Arrays, dim: int) -> np.ndarray:
    first = (np.arange(x.shape[dim]) == 0).reshape([-1 if d == dim else 1 for d in range(layout.dims)])
    return first if len(args) < 3 else first | (np.roll(args[2], 1, dim) == 0)


@backward.register
def _(node: n.Shift, layout: Layout, args: Arrays, value: np.ndarray, adjoint: np.ndarray) -> list[Any]:
    dim = layout.axes.index(node.axis)
    x = layout.broadcast(args[0], [node.axis])
    adjoint = np.broadcast_to(adjoint, np.broadcast_shapes(adjoint.shape, value.shape))
    if node.offset > 0:
        back = np.concatenate([np.zeros_like(np.take(adjoint, [0], dim)), np.delete(adjoint, -1, dim)], dim)
        index = tuple(slice(-1, None) if d == dim else slice(None) for d in range(layout.dims))
        back[index] += np.take(adjoint, [-1], dim)
        return [back]
    starts = _starts(layout, x, args, dim)
    return [np.roll(np.where(starts, 0.0, adjoint), -1, dim), np.where(starts, adjoint, 0.0)]


@forward.register
def _(node: n.Join, layout: Layout, args: Arrays) -> np.ndarray:
    return np.concatenate(*_joined(node, layout, args))


def _joined(node: n.Join, layout: Layout, args: Arrays) -> tuple[list[np.ndarray], int]:
    dim = layout.dims - 1 if node.axis is None else layout.axes.index(node.axis.name)
    rest = np.broadcast_shapes(*([1 if d == dim else s for d, s in enumerate(a.shape)] for a in args))
    return [np.broadcast_to(a, [a.shape[dim] if d == dim else s for d, s in enumerate(rest)]) for a in args], dim


@backward.register
def _(node: n.Join, layout: Layout, args: Arrays, value: np.ndarray, adjoint: np.ndarray) -> list[Any]:
    arrays, dim = _joined(node, layout, args)
    adjoint = np.broadcast_to(adjoint, value.shape)
    return list(np.split(adjoint, np.cumsum([a.shape[dim] for a in arrays])[:-1], dim))


_RELATIONS = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}


@forward.register
def _(node: n.Compare, layout: Layout, args: Arrays) -> np.ndarray:
    return _RELATIONS[node.op](*args).astype(float)


@backward.register
def _(node: n.Compare, layout: Layout, args: Arrays, value: np.ndarray, adjoint: np.ndarray) -> list[Any]:
    return [None, None]


@forward.register
def _(node: n.Where, layout: Layout, args: Arrays) -> np.ndarray:
    return np.where(args[0] != 0, args[1], args[2])


@backward.register
def _(node: n.Where, layout: Layout, args: Arrays, value: np.ndarray, adjoint: np.ndarray) -> list[Any]:
    return [None, np.where(args[0] != 0, adjoint, 0.0), np.where(args[0] != 0, 0.0, adjoint)]


@forward.register
def _(node: n.StopGradient, layout: Layout, args: Arrays) -> np.ndarray:
    return args[0]


@backward.register
def _(node: n.StopGradient, layout: Layout, args: Arrays, value: np.ndarray, adjoint: np.ndarray) -> list[Any]:
    return [None]

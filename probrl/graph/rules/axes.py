"""Reductions, gathers, renamings, shifts, joins: what concerns axes."""

from __future__ import annotations

import math
from typing import Any

import torch

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import show
from probrl.graph import ops
from probrl.graph.lowering import Lowering, Value
from probrl.graph.rules import rule


@rule.register
def _(node: n.Reduce, to: Lowering) -> Value:
    x = to.numeric(to.lower(node.x))
    if x.number:
        return x
    if node.over == "event":
        dims = tuple(range(-(x.rank or 0), 0))
        return x if not dims else Value(_reduced(node.op, x.node, dims, to), x.axes, 0)
    if node.over == "data":
        return _over_data(node, x, to)
    dims = tuple(x.axes.index(a) for a in node.over)
    mask = to.mask(node.counted)
    return Value(_masked(node.op, x, mask, dims, to), tuple(a for a in x.axes if a not in node.over), x.rank)


def _masked(op: str, x: Value, mask: Value | None, dims: tuple[int, ...], to: Lowering) -> Any:
    if mask is None:
        return _reduced(op, x.node, dims, to)
    aligned = to.align(mask, x.axes, x.rank or 0)
    if op == "mean":
        rows = to.emit(ops.counted, aligned, dims, None if mask.axes == x.axes and not x.rank else x.node)
        return to.emit(ops.masked_mean, x.node, aligned, rows, dims)
    fill = {"sum": 0.0, "min": math.inf, "max": -math.inf}[op]
    return _reduced(op, to.emit(torch.where, aligned, x.node, fill), dims, to)


def _reduced(op: str, node: Any, dims: tuple[int, ...], to: Lowering) -> Any:
    if op in ("min", "max"):
        return to.emit(torch.amin if op == "min" else torch.amax, node, dims)
    return to.emit(torch.sum if op == "sum" else torch.mean, node, dims)


def _over_data(node: n.Reduce, x: Value, to: Lowering) -> Value:
    if to.drop is not None and any(a.name == to.drop for a in node.x.type.axes):
        raise ExpressionError(
            f"{show(node)}: a reduction over the data inside the recursion over '{to.drop}' would read other indices"
        )
    return Value(_masked(node.op, x, to.mask(node.counted), tuple(range(len(x.axes))), to), (), x.rank)


@rule.register
def _(node: n.Arg, to: Lowering) -> Value:
    x = to.lower(node.x)
    dim = x.axes.index(node.axis)
    return Value(
        to.emit(torch.argmax if node.op == "max" else torch.argmin, x.node, dim), x.axes[:dim] + x.axes[dim + 1 :], 0
    )


@rule.register
def _(node: n.At, to: Lowering) -> Value:
    x = to.lower(node.x)
    if isinstance(node.index, n.Range) and node.index.axis.name == node.axis:  # every entry at its own index
        return x
    index = to.lower(node.index)
    dim = x.axes.index(node.axis)
    rest = x.axes[:dim] + x.axes[dim + 1 :]
    if index.number:
        return Value(to.emit(torch.select, x.node, dim, int(index.node)), rest, x.rank)
    extra = tuple(a for a in index.axes if a not in rest)
    axes = extra + rest
    rank = x.rank or 0
    value = to.align(x, (*extra, *x.axes) if node.axis not in extra else x.axes, rank)
    if node.axis in extra:  # an index with the very axis: a permutation along it
        moved = to.align(
            x._replace(axes=tuple("." if a == node.axis else a for a in x.axes)),
            (*extra, *x.axes[:dim], ".", *x.axes[dim + 1 :]),
            rank,
        )
        moved = to.lead(moved, len(extra))
        return Value(to.emit(ops.gather, moved, to.align(index, axes, 0), len(extra) + dim, rank), axes, x.rank)
    value = to.lead(value, len(extra))
    return Value(to.emit(ops.gather, value, to.spread(index, axes), len(extra) + dim, rank), axes, x.rank)


@rule.register
def _(node: n.Rename, to: Lowering) -> Value:
    x = to.lower(node.x)
    if node.source is None:  # event -> axis
        assert node.target is not None
        axes = (*x.axes, node.target)
        moved = x.node if x.rank in (1, None) else to.emit(torch.movedim, x.node, -1, len(x.axes))
        return Value(moved, axes, (x.rank or 1) - 1, x.boolean)
    if node.target is None:  # axis -> event
        dim = x.axes.index(node.source)
        last = dim == len(x.axes) - 1 and not x.rank
        moved = x.node if last else to.emit(torch.movedim, x.node, dim, -1)
        return Value(moved, x.axes[:dim] + x.axes[dim + 1 :], (x.rank or 0) + 1, x.boolean)
    return x._replace(axes=tuple(node.target if a == node.source else a for a in x.axes))


@rule.register
def _(node: n.Shift, to: Lowering) -> Value:
    x = to.numeric(to.lower(node.x))
    dim = x.axes.index(node.axis)
    mask = to.mask([node.x.type.axis(node.axis)])
    order = tuple(a for a in x.axes if mask is not None and a in mask.axes)
    if mask is not None and order[0] != x.axes[0]:
        raise ExpressionError(f"{show(node)}: the data axes must come first")
    first = to.lower(node.first) if node.first is not None else Value(0)
    start = first.node if first.number else to.spread(first, x.axes)
    aligned = None if mask is None else to.align(mask, x.axes, 0)
    return Value(to.emit(ops.shift, x.node, dim, node.offset, start, aligned), x.axes, x.rank)


@rule.register
def _(node: n.Join, to: Lowering) -> Value:
    items = [to.numeric(to.lower(i)) for i in node.items]
    axes, rank = to.union(items)
    rank = rank if node.axis is not None else 1
    columns = []
    for item in items:
        view = to.align(item, axes, item.rank or 0)
        if not item.number and not item.rank and rank:
            view = to.emit(torch.unsqueeze, view, -1)
        columns.append(view)
    if node.axis is None:
        return Value(to.emit(_concatenated, tuple(columns), len(axes)), axes, 1)
    return Value(to.emit(_stacked, tuple(columns), len(axes)), (*axes, node.axis.name), rank)


def _concatenated(parts: Any, leading: int) -> Any:
    """Vectors one after another, their leading dimensions expanded."""
    like = next(p for p in parts if isinstance(p, torch.Tensor))
    parts = [p if isinstance(p, torch.Tensor) else like.new_full((1,), p) for p in parts]
    shape = torch.broadcast_shapes(*(p.shape[:-1] for p in parts))
    return torch.cat([p.expand(*shape, p.shape[-1]) for p in parts], -1)


def _stacked(parts: Any, dim: int) -> Any:
    """Values side by side along a new dimension, the others expanded."""
    like = next((p for p in parts if isinstance(p, torch.Tensor)), None)
    if like is None:
        return torch.tensor(parts, dtype=torch.get_default_dtype())
    parts = [p if isinstance(p, torch.Tensor) else like.new_full((), p) for p in parts]
    return torch.stack(torch.broadcast_tensors(*parts), dim)

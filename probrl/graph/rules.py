"""One rule per node: what it is in a graph. The closed question "how does it run"."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import torch

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.definition import FunctionHead
from probrl.graph import ops
from probrl.graph.lowering import Lowering, Value

UNARY: dict[str, tuple[Callable[..., Any], Callable[[float], float]]] = {
    "exp": (torch.exp, math.exp),
    "log": (torch.log, math.log),
    "tanh": (torch.tanh, math.tanh),
    "sigmoid": (torch.sigmoid, lambda x: 1 / (1 + math.exp(-x))),
    "softplus": (torch.nn.functional.softplus, lambda x: math.log1p(math.exp(x))),
    "abs": (torch.abs, abs),
    "sin": (torch.sin, math.sin),
    "cos": (torch.cos, math.cos),
    "floor": (torch.floor, math.floor),
    "sign": (torch.sign, lambda x: (x > 0) - (x < 0)),
    "lgamma": (torch.lgamma, math.lgamma),
    "digamma": (torch.digamma, lambda x: float(torch.digamma(torch.tensor(x, dtype=torch.float64)))),
}
COMPARE = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}
CLOSED: dict[str, Callable[[n.Definition, Lowering], Value | None]] = {}  # definitions that torch has one function for


@singledispatch
def rule(node: Expr, to: Lowering) -> Value:
    """The value of a node in a graph."""
    raise NotImplementedError(type(node).__name__)


# --- leaves ----------------------------------------------------------------------------------------------------
@rule.register
def _(node: n.Symbol, to: Lowering) -> Value:
    if node.depth is not None:
        raise ExpressionError(f"'{node.name}' is the variable of a recursion and has no value outside its body")
    to.inputs.columns[node.name] = node
    return Value(to.placeholder("column", node.name, node.name), to.names(node.axes), node.rank)


@rule.register
def _(node: n.Number, to: Lowering) -> Value:
    return Value(node.value)


@rule.register
def _(node: n.State, to: Lowering) -> Value:
    raw = to.placeholder("cell", node.cell, f"log_{node.cell.name}" if node.cell.positive else node.cell.name)
    to.inputs.cells[node.cell] = str(raw.target)
    return Value(to.emit(torch.exp, raw) if node.cell.positive else raw)


@rule.register
def _(node: n.Noise, to: Lowering) -> Value:
    placed = to.placeholder("noise", node, f"noise_{len(to.inputs.noises)}")
    to.inputs.noises[node] = str(placed.target)
    axes = to.names(node.type.axes)
    for axis, size in node.extra:
        to.sizes.setdefault(axis.name, (size, -1))
    return Value(placed, axes, node.type.rank)


@rule.register
def _(node: n.Range, to: Lowering) -> Value:
    if node.of is not None and node.axis.name not in to.sizes:
        to.lower(node.of)
    length = to.size(node.axis.name)
    return Value(to.emit(torch.arange, length), (node.axis.name,), 0)


# --- pointwise -------------------------------------------------------------------------------------------------
@rule.register
def _(node: n.Add, to: Lowering) -> Value:
    if (
        isinstance(node.y, n.Mul)
        and isinstance(node.y.x, n.Number)
        and node.y.x.value == -1
        and node.y.x.letter is None
    ):
        return _arithmetic(operator.sub, to.lower(node.x), to.lower(node.y.y), to)
    return _arithmetic(operator.add, to.lower(node.x), to.lower(node.y), to)


@rule.register
def _(node: n.Mul, to: Lowering) -> Value:
    if isinstance(node.x, n.Number) and node.x.value == -1 and node.x.letter is None:
        inner = to.numeric(to.lower(node.y))
        return Value(-inner.node) if inner.number else to.pointwise(operator.neg, inner)
    if isinstance(node.y, n.Pow) and isinstance(node.y.y, n.Number) and node.y.y.value == -1:
        return _quotient(node.x, node.y.x, to)
    return _arithmetic(operator.mul, to.lower(node.x), to.lower(node.y), to)


def _quotient(x: Expr, y: Expr, to: Lowering) -> Value:
    top, bottom = _exponent(x), _exponent(y)
    if top is not None and bottom is not None:  # the literal ratio of two densities is nan five sigma out
        difference = _arithmetic(operator.sub, to.lower(top), to.lower(bottom), to)
        return Value(math.exp(difference.node)) if difference.number else to.pointwise(torch.exp, difference)
    below = to.numeric(to.lower(y))
    return _arithmetic(operator.truediv, to.lower(x), to.guard(y, below, 1.0), to)


def _exponent(x: Expr) -> Expr | None:
    while isinstance(x, n.Definition):
        x = x.body
    return x.x if isinstance(x, n.Unary) and x.op == "exp" else None


@rule.register
def _(node: n.Pow, to: Lowering) -> Value:
    x, y = to.numeric(to.lower(node.x)), to.numeric(to.lower(node.y))
    if y.number and y.node == 2 and not x.number:
        return to.pointwise(torch.square, x)
    if not (y.number and y.node > 0 and float(y.node).is_integer()):
        x = to.guard(node.x, x, 1.0)
    if y.number and y.node == -1 and not x.number:
        return to.pointwise(torch.reciprocal, x)
    if y.number and y.node == 0.5 and not x.number:
        return to.pointwise(torch.sqrt, x)
    return _arithmetic(torch.pow, x, y, to)


def _arithmetic(function: Callable[..., Any], x: Value, y: Value, to: Lowering) -> Value:
    if x.number and y.number:
        return Value(operator.pow(x.node, y.node) if function is torch.pow else function(x.node, y.node))
    return to.pointwise(function, to.numeric(x, y), to.numeric(y, x))


@rule.register
def _(node: n.Unary, to: Lowering) -> Value:
    if node.op == "log" and isinstance(node.x, n.State) and node.x.cell.positive:
        to.lower(node.x)
        return Value(to.placeholder("cell", node.x.cell, ""))
    x = to.numeric(to.lower(node.x))
    function, on_number = UNARY[node.op]
    if x.number:
        return Value(on_number(x.node))
    if node.op in ("log", "exp", "lgamma", "digamma"):
        x = to.guard(node.x, x, 0.0 if node.op == "exp" else 1.0)
    return to.pointwise(function, x)


@rule.register
def _(node: n.Extremum, to: Lowering) -> Value:
    x, y = to.numeric(to.lower(node.x)), to.numeric(to.lower(node.y))
    if x.number and y.number:
        return Value((min if node.op == "min" else max)(x.node, y.node))
    if x.number or y.number:
        value, bound = (y, x.node) if x.number else (x, y.node)
        return Value(
            to.emit(torch.clamp, value.node, **{"max" if node.op == "min" else "min": bound}), value.axes, value.rank
        )
    return to.pointwise(torch.minimum if node.op == "min" else torch.maximum, x, y)


@rule.register
def _(node: n.Compare, to: Lowering) -> Value:
    x, y = to.lower(node.x), to.lower(node.y)
    if x.number and y.number:
        return Value(int(COMPARE[node.op](x.node, y.node)))
    found = to.pointwise(COMPARE[node.op], to.numeric(x, y), to.numeric(y, x), boolean=True)
    anchor = y if x.number else x
    return found if anchor.boolean else found._replace(node=found.node)


@rule.register
def _(node: n.Where, to: Lowering) -> Value:
    condition, x, y = to.lower(node.condition), to.numeric(to.lower(node.x)), to.numeric(to.lower(node.y))
    if condition.number:
        return x if condition.node else y
    if not condition.boolean:
        condition = condition._replace(node=to.emit(operator.ne, condition.node, 0), boolean=True)
    return (
        to.pointwise(_select, condition, x, y) if x.number and y.number else to.pointwise(torch.where, condition, x, y)
    )


def _select(condition: Any, x: float, y: float) -> Any:
    """One of two numbers, as a number of the default type."""
    return torch.where(condition, float(x), float(y))


# --- axes ------------------------------------------------------------------------------------------------------
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
    mask = to.mask(a for a in node.x.type.axes if a.name in node.over)
    return Value(_masked(node.op, x, mask, dims, to), tuple(a for a in x.axes if a not in node.over), x.rank)


def _masked(op: str, x: Value, mask: Value | None, dims: tuple[int, ...], to: Lowering) -> Any:
    if mask is None:
        return _reduced(op, x.node, dims, to)
    aligned = to.align(mask, x.axes, x.rank or 0)
    if op == "mean":
        return to.emit(ops.masked_mean, x.node, aligned, dims)
    fill = {"sum": 0.0, "min": math.inf, "max": -math.inf}[op]
    return _reduced(op, to.emit(torch.where, aligned, x.node, fill), dims, to)


def _reduced(op: str, node: Any, dims: tuple[int, ...], to: Lowering) -> Any:
    if op in ("min", "max"):
        return to.emit(torch.amin if op == "min" else torch.amax, node, dims)
    return to.emit(torch.sum if op == "sum" else torch.mean, node, dims)


def _over_data(node: n.Reduce, x: Value, to: Lowering) -> Value:
    if getattr(to, "drop", None) is not None and any(a.name == to.drop for a in node.x.type.axes):  # type: ignore[attr-defined]
        raise ExpressionError(
            f"{show(node)}: a reduction over the data inside the recursion over '{to.drop}' would read other indices"
        )  # type: ignore[attr-defined]
    return Value(_masked(node.op, x, to.mask(node.x.type.data), tuple(range(len(x.axes))), to), (), x.rank)


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
        moved = _lead(moved, len(extra), to)
        return Value(to.emit(ops.gather, moved, to.align(index, axes, 0), len(extra) + dim, rank), axes, x.rank)
    value = _lead(value, len(extra), to)
    return Value(
        to.emit(ops.gather, value, to.align(_full(index, axes, to), axes, 0), len(extra) + dim, rank), axes, x.rank
    )


def _lead(node: Any, count: int, to: Lowering) -> Any:
    for _ in range(count):
        node = to.emit(torch.unsqueeze, node, 0)
    return node


def _full(index: Value, axes: tuple[str, ...], to: Lowering) -> Value:
    node = to.align(index, axes, 0)
    missing = next((i for i, a in enumerate(axes) if a in index.axes), len(axes))
    return Value(_lead(node, missing, to), axes, 0)


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
    start = first.node if first.number else _full(first, x.axes, to).node
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


# --- structure -------------------------------------------------------------------------------------------------
@rule.register
def _(node: n.Call, to: Lowering) -> Value:
    args = [to.numeric(to.lower(a)) for a in node.args]
    axes: tuple[str, ...] = ()
    for value in sorted(args, key=lambda v: -len(v.axes)):
        axes = axes + tuple(a for a in value.axes if a not in axes)
    nodes = [_leading(v, axes, to) for v in args]
    held = node in to.held
    net = to.network(node.net, node.role)
    called = to.emit(ops.network, net, len(axes), len(node.lead), node.rank, held, *nodes)
    rank = node.rank if isinstance(node.rank, int) else None
    return Value(called, (*(a.name for a in node.lead), *axes), rank)


def _leading(value: Value, axes: tuple[str, ...], to: Lowering) -> Any:
    if value.number or value.axes == axes:
        return value.node
    if value.rank is None:
        missing = [a for a in axes if a not in value.axes]
        if tuple(a for a in axes if a in value.axes) != value.axes:
            raise ExpressionError("a symbol of open rank meets axes in another order: declare its rank")
        node = value.node
        for i, a in enumerate(axes):
            node = to.emit(ops.insert, node, i) if a in missing else node
        return node
    return _full_event(value, axes, to)


def _full_event(value: Value, axes: tuple[str, ...], to: Lowering) -> Any:
    node = to.align(value, axes, value.rank or 0)
    if not value.axes:
        return _lead(node, len(axes), to)
    missing = next(i for i, a in enumerate(axes) if a in value.axes)
    return _lead(node, missing, to)


@rule.register
def _(node: n.Item, to: Lowering) -> Value:
    x = to.lower(node.x)
    if isinstance(node.x, n.Recursion):
        result: Value = to.recursions[node.x][node.index]  # type: ignore[attr-defined]
        return result
    if isinstance(node.x, n.Call) and not isinstance(node.x.rank, int):
        return Value(to.emit(operator.getitem, x.node, node.index), x.axes, node.x.rank[node.index])
    parts = to.emit(torch.chunk, x.node, node.count, -1)
    return Value(to.emit(operator.getitem, parts, node.index), x.axes, x.rank)


@rule.register
def _(node: n.StopGradient, to: Lowering) -> Value:
    x = to.lower(node.x)
    return x if x.number else x._replace(node=to.emit(torch.Tensor.detach, x.node))


@rule.register
def _(node: n.Definition, to: Lowering) -> Value:
    if isinstance(node.head, FunctionHead) and node.head.name in CLOSED:
        found = CLOSED[node.head.name](node, to)
        if found is not None:
            return found
    return to.lower(node.body)


def _closed_clip(node: n.Definition, to: Lowering) -> Value | None:
    x, low, high = (to.numeric(to.lower(a)) for a in node.args)
    if x.number or not (low.number and high.number):
        return None
    return x._replace(node=to.emit(torch.clamp, x.node, low.node, high.node))


def _closed_along(function: Any) -> Callable[[n.Definition, Lowering], Value | None]:
    def closed(node: n.Definition, to: Lowering) -> Value | None:
        assert isinstance(node.head, FunctionHead)
        axis = dict(node.head.options)["axis"]
        x = to.numeric(to.lower(node.args[0]))
        kept = x.axes if function is not torch.logsumexp else tuple(a for a in x.axes if a != axis)
        return Value(to.emit(function, x.node, x.axes.index(axis)), kept, x.rank)

    return closed


CLOSED.update(
    clip=_closed_clip,
    softmax=_closed_along(torch.softmax),
    log_softmax=_closed_along(torch.log_softmax),
    logsumexp=_closed_along(torch.logsumexp),
)

"""The rules of the two nodes that hold a function: derivatives and recursions."""

from __future__ import annotations

import operator
from typing import Any

import torch

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.recursion import affine
from probrl.expr.traversal import executed, walk
from probrl.graph import ops
from probrl.graph.closure import Closure
from probrl.graph.lowering import Lowering, Value
from probrl.graph.rules import rule
from probrl.graph.sizes import start_of


@rule.register
def _(node: n.Derivative, to: Lowering) -> Value:
    primals = [to.lower(x) for x in node.wrt]
    if node.op == "jvp":
        primals = [_widened(v, tangent, node, to) for v, tangent in zip(primals, node.tangents, strict=True)]
    for named, value in zip(node.wrt, primals, strict=True):
        if value.number:
            raise ExpressionError(f"{show(node)}: {show(named)} is a number; a derivative is by a tensor")
    cuts: dict[Expr, tuple[str, Value]] = {
        e: (f"x_{i}", v) for i, (e, v) in enumerate(zip(node.wrt, primals, strict=True))
    }
    inside = Closure(to, cuts, (node.y,))
    y = inside.numeric(inside.lower(node.y))
    if node.op == "grad":
        function = inside.install(y.node, "gradient")
        x = primals[0]
        return Value(to.emit(ops.gradient, function, inside.arguments[0], x.node, dict_of(inside)), x.axes, x.rank)
    function = inside.install(y.node, "directional")
    tangents = [to.numeric(to.lower(v)) for v in node.tangents]
    extra = tuple(dict.fromkeys(a for v, x in zip(tangents, primals, strict=True) for a in v.axes if a not in x.axes))
    aligned = []
    for v, x in zip(tangents, primals, strict=True):
        view = v.node if v.number else to.spread(v, (*extra, *x.axes), x.rank or 0)
        aligned.append(
            to.emit(ops.tangent, view, x.node, 0 if v.number else len(extra))
            if not (v.number and extra)
            else to.emit(_repeated, v.node, x.node, len(extra))
        )
    points = dict(zip(inside.arguments, (p.node for p in primals), strict=True))
    called = to.emit(ops.directional, function, points, tuple(aligned), len(extra), dict_of(inside))
    return Value(called, (*extra, *y.axes), y.rank)


def _widened(primal: Value, tangent: Expr, node: n.Derivative, to: Lowering) -> Value:
    """A primal repeated along what its tangent and the value share and it has not: one direction per entry."""
    shared = to.names(node.y.type.axes)
    missing = tuple(a for a in to.lower(tangent).axes if a not in primal.axes and a in shared)
    if not missing or primal.number:
        return primal
    repeated = to.emit(ops.repeated, primal.node, tuple(to.size(a) for a in missing))
    return primal._replace(node=repeated, axes=(*missing, *primal.axes))


def _repeated(v: float, x: Any, extra: int) -> Any:
    """A constant tangent, one for each of the directions."""
    return torch.full_like(x, v).reshape(*([1] * extra), *x.shape)


def dict_of(inside: Closure) -> dict[str, Any]:
    """What a function takes from the graph around, by name."""
    return dict(inside.captured)


@rule.register
def _(node: n.Recursion, to: Lowering) -> Value:
    if to.flat:
        raise ExpressionError(
            f"{show(node)}: the recursion over '{node.axis}' cannot run on shuffled rows; compute it in a Prepare, or take whole episodes (unit='episode')"
        )
    linear = affine(node)
    results = [_linear(node, *linear, to)] if linear is not None else _general(node, to)
    to.recursions[node] = results
    return results[0]


def _linear(node: n.Recursion, a: Any, b: Any, to: Lowering) -> Value:
    factor, term, init = (to.numeric(to.lower(x)) for x in (a, b, node.inits[0]))
    values = [v for v in (factor, term) if not v.number]
    axes, rank = to.union([*values, init])
    if node.axis not in axes:
        raise ExpressionError(f"{show(node)}: nothing in its body has the axis '{node.axis}'")
    dim = axes.index(node.axis)
    factor, term = (v if v.number else Value(to.align(v, axes, rank), axes, rank) for v in (factor, term))
    start = init.node if init.number else to.align(init, tuple(x for x in axes if x != node.axis), rank)
    mask = to.mask(x for x in node.type.axes if x.name == node.axis)
    if mask is not None:
        kept = to.align(mask, axes, rank)
        outside = start if init.number else to.emit(torch.unsqueeze, start, dim)
        term = Value(to.emit(torch.where, kept, term.node, outside), axes, rank)
        factor = Value(to.emit(torch.where, kept, factor.node, 0.0), axes, rank)
    return Value(to.emit(ops.linear_recursion, factor.node, term.node, start, dim, node.reverse), axes, rank)


def _general(node: n.Recursion, to: Lowering) -> list[Value]:
    cuts, starts = _states(node, to)
    inside = Closure(to, cuts, (*node.steps, *node.outputs), drop=node.axis)
    steps = [inside.numeric(inside.lower(x)) for x in node.steps]
    outputs = [inside.numeric(inside.lower(x)) for x in node.outputs]
    settled = [inside.align(v, cuts[s][1].axes, cuts[s][1].rank or 0) for v, s in zip(steps, node.states, strict=True)]
    kept = [
        settled[node.steps.index(x)] if x in node.steps else v.node for x, v in zip(node.outputs, outputs, strict=True)
    ]
    function = inside.install((tuple(settled), tuple(kept)), "recursion")
    rows = {k: v for k, v in inside.captured.items() if k in inside.dims}
    held = {k: v for k, v in inside.captured.items() if k not in inside.dims}
    if not rows:
        raise ExpressionError(f"{show(node)}: nothing in its body has the axis '{node.axis}'")
    mask = to.mask(x for x in node.type.axes if x.name == node.axis)
    masked = (None, 0) if mask is None else (mask.node, mask.axes.index(node.axis))
    named = dict(zip(inside.arguments, starts, strict=True))
    result = to.emit(ops.scan, function, named, rows, held, dict(inside.dims), *masked, node.reverse)
    likes = [
        cuts[node.states[node.steps.index(x)]][1] if x in node.steps else v
        for x, v in zip(node.outputs, outputs, strict=True)
    ]
    return [_along(node, i, like, result, to) for i, like in enumerate(likes)]


def _states(node: n.Recursion, to: Lowering) -> tuple[dict[Expr, tuple[str, Value]], list[Any]]:
    """How each state looks inside the body, and what it starts from."""
    for x in walk(*node.steps, *node.outputs, through=executed):
        if isinstance(x, n.Symbol) and x.depth is None and node.axis in x.type.names:
            to.lower(x)  # the states' sizes are read off the columns
    cuts: dict[Expr, tuple[str, Value]] = {}
    starts = []
    for symbol, init in zip(node.states, node.inits, strict=True):
        axes = tuple(x for x in to.names(symbol.axes) if x != node.axis)
        start, value = start_of(node, symbol, init, axes, to)
        cuts[symbol] = (symbol.name, value)
        starts.append(start)
    return cuts, starts


def _along(node: n.Recursion, i: int, like: Value, result: Any, to: Lowering) -> Value:
    """One output, which the scan stacks in front, with the recursion's axis among the data's."""
    data = tuple(a for a in to.names(node.outputs[i].type.axes) if a == node.axis or a in like.axes)
    position = data.index(node.axis) if node.axis in data else 0
    stacked = to.emit(operator.getitem, result, i)
    placed = to.emit(torch.movedim, stacked, 0, position) if position else stacked
    return Value(placed, (*like.axes[:position], node.axis, *like.axes[position:]), like.rank)

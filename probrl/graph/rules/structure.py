"""Networks, their outputs, stop-gradients and definitions."""

from __future__ import annotations

import operator
from typing import Any

import torch

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.definition import FunctionHead, WideHead
from probrl.graph import ops
from probrl.graph.lowering import Lowering, Value
from probrl.graph.rules import rule
from probrl.graph.rules.closed import CLOSED


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
    return to.spread(value, axes)


@rule.register
def _(node: n.Item, to: Lowering) -> Value:
    x = to.lower(node.x)
    if isinstance(node.x, n.Recursion):
        return to.recursions[node.x][node.index]
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
    if isinstance(node.head, WideHead):
        wide = to.numeric(to.lower(node.args[0]))
        return wide if wide.number else to.pointwise(ops.widened, wide)
    if node.head.precise:
        return _narrowed(to.numeric(to.lower(node.body)), node, to)
    own = isinstance(node.head, FunctionHead) and node.head.function.__module__.startswith("probrl.expr.")
    if own and node.head.name in CLOSED:  # a user's definition may have the same name
        found = CLOSED[node.head.name](node, to)
        if found is not None:
            return found
    return to.lower(node.body)


def _narrowed(value: Value, node: n.Definition, to: Lowering) -> Value:
    """What was computed in double precision, in the type of the arguments."""
    given = tuple(v.node for v in map(to.lower, node.args) if not v.number)
    return value if value.number or not given else value._replace(node=to.emit(ops.narrowed, value.node, *given))

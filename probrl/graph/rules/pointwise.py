"""Arithmetic and what is applied to each element."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.graph.lowering import Lowering, Value
from probrl.graph.rules import rule

UNARY: dict[str, Callable[..., Any]] = {
    "exp": torch.exp,
    "log": torch.log,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": torch.nn.functional.softplus,
    "abs": torch.abs,
    "sin": torch.sin,
    "cos": torch.cos,
    "atan": torch.atan,
    "floor": torch.floor,
    "sign": torch.sign,
    "lgamma": torch.lgamma,
    "digamma": torch.digamma,
}
COMPARE = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}


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
        return Value(folded(torch.exp, difference.node)) if difference.number else to.pointwise(torch.exp, difference)
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


def folded(function: Callable[..., Any], *numbers: float) -> float:
    """A function of numbers as it is of tensors: infinite or nan where Python's own would refuse."""
    return float(function(*(torch.tensor(float(x), dtype=torch.float64) for x in numbers)))


def _arithmetic(function: Callable[..., Any], x: Value, y: Value, to: Lowering) -> Value:
    if x.number and y.number:
        exact = function in (operator.add, operator.sub, operator.mul)
        return Value(function(x.node, y.node) if exact else folded(function, x.node, y.node))
    return to.pointwise(function, to.numeric(x, y), to.numeric(y, x))


@rule.register
def _(node: n.Unary, to: Lowering) -> Value:
    if node.op == "log" and isinstance(node.x, n.State) and node.x.cell.positive:
        to.lower(node.x)
        return Value(to.placeholder("cell", node.x.cell, ""))
    x = to.numeric(to.lower(node.x))
    function = UNARY[node.op]
    if x.number:
        return Value(folded(function, x.node))
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

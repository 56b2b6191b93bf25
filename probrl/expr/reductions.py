"""Reductions over the data, over events and over index axes, and what is defined by them."""

from __future__ import annotations

from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.definition import FunctionHead, definition
from probrl.expr.lifting import lift
from probrl.expr.pointwise import exp, log, sqrt


def mean(x: Any) -> Expr:
    """The mean over all data axes, masked rows left out: sum m x / sum m."""
    return n.Reduce("mean", lift(x), "data")


def sum(x: Any) -> Expr:
    """The sum over all data axes, masked rows left out."""
    return n.Reduce("sum", lift(x), "data")


def data_min(x: Any) -> Expr:
    """The least value over all data axes, masked rows left out."""
    return n.Reduce("min", lift(x), "data")


def data_max(x: Any) -> Expr:
    """The greatest value over all data axes, masked rows left out."""
    return n.Reduce("max", lift(x), "data")


@definition("std")
def std(x: Any) -> Expr:
    """The population standard deviation over all data axes."""
    return sqrt(mean((x - mean(x)) ** 2))


@definition("var")
def var(x: Any) -> Expr:
    """The population variance over all data axes."""
    return mean((x - mean(x)) ** 2)


@definition("standardize")
def standardize(x: Any) -> Expr:
    """(x - mean x) / (std x + 1e-8), over all data axes (the minibatch in a Minimize), population std."""
    return (x - mean(x)) / (std(x) + 1e-8)


def sum_event(x: Any) -> Expr:
    """The sum over the coordinates of an event."""
    return n.Reduce("sum", lift(x), "event")


@definition("sqnorm")
def sqnorm(x: Any) -> Expr:
    """The squared Euclidean norm of an event: the sum of the squares of its coordinates."""
    return sum_event(x**2)


@definition("dot")
def dot(x: Any, y: Any) -> Expr:
    """The inner product of two events."""
    return sum_event(x * y)


def reduce_index(op: str, x: Expr, axes: tuple[str, ...]) -> Expr:
    """A reduction over index axes, by name; without a name there must be just one."""
    return n.Reduce(op, x, axes or (only_index(x, op),))


def only_index(x: Expr, verb: str) -> str:
    """The name of the one index axis of an expression.

    Errors:
        ExpressionError: when it has none, or several.
    """
    index = x.type.index
    if len(index) == 1:
        return index[0].name
    if not index:
        data = f"pr.data_{verb}(x)" if verb in ("min", "max") else f"pr.{verb}(x)"
        hint = (
            f"over the data it is {data}, over an event pr.sum_event(x)"
            if verb in ("sum", "mean", "min", "max")
            else ("turn the coordinates into one with x.to_axis('i')")
        )
        raise ExpressionError(f"{show(x)} has no index axis for {verb}; {hint}")
    names = ", ".join(f"'{a.name}'" for a in index)
    raise ExpressionError(
        f"{show(x)} has the index axes {names}: name the one you mean, as in .{verb}('{index[0].name}')"
    )


def _over(x: Any, axis: str | None, name: str, function: Any) -> Expr:
    x = lift(x)
    return n.Definition(FunctionHead(name, function, (("axis", axis or only_index(x, name)),)), (x,))


def _logsumexp(x: Expr, *, axis: str) -> Expr:
    shift = n.StopGradient(n.Reduce("max", x, (axis,)))
    return log(n.Reduce("sum", exp(x - shift), (axis,))) + shift


def _log_softmax(x: Expr, *, axis: str) -> Expr:
    return x - logsumexp(x, axis)


def _softmax(x: Expr, *, axis: str) -> Expr:
    return exp(log_softmax(x, axis))


def logsumexp(x: Any, axis: str | None = None) -> Expr:
    """log of the sum of exponentials along an index axis."""
    return _over(x, axis, "logsumexp", _logsumexp)


def log_softmax(x: Any, axis: str | None = None) -> Expr:
    """x - logsumexp(x) along an index axis."""
    return _over(x, axis, "log_softmax", _log_softmax)


def softmax(x: Any, axis: str | None = None) -> Expr:
    """exp(x) / sum exp(x) along an index axis."""
    return _over(x, axis, "softmax", _softmax)

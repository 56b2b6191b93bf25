"""Arithmetic, and the functions that apply to each element."""

from __future__ import annotations

from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.definition import definition
from probrl.expr.lifting import lift

_MINUS = n.Number(-1, None)


def add(x: Any, y: Any) -> Expr:
    """x + y."""
    return n.Add(lift(x), lift(y))


def subtract(x: Any, y: Any) -> Expr:
    """x - y, which is x + (-1) y."""
    x, y = _comparable(lift(x), lift(y))
    return n.Add(x, n.Mul(_MINUS, y))


def _comparable(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    if isinstance(x, n.Definition) and isinstance(y, n.Definition):
        x.head.compared(x.args, y.head, y.args)
    return x, y


def negative(x: Any) -> Expr:
    """-x, which is (-1) x; a literal is negated."""
    x = lift(x)
    return n.Number(-x.value, None) if isinstance(x, n.Number) and x.letter is None else n.Mul(_MINUS, x)


def multiply(x: Any, y: Any) -> Expr:
    """x y."""
    return n.Mul(lift(x), lift(y))


def divide(x: Any, y: Any) -> Expr:
    """x / y, which is x times y to the power -1."""
    x, y = _comparable(lift(x), lift(y))
    return n.Mul(x, n.Pow(y, _MINUS))


def power(x: Any, y: Any) -> Expr:
    """x to the power y."""
    return n.Pow(lift(x), lift(y))


def compare(op: str, x: Any, y: Any) -> Expr:
    """The indicator of a relation."""
    return n.Compare(op, lift(x), lift(y))


def equal(x: Any, y: Any) -> Expr:
    """The indicator of x = y (``==`` asks whether two formulas are the same)."""
    return compare("eq", x, y)


def minimum(x: Any, y: Any) -> Expr:
    """The lesser of two values, element by element."""
    return n.Extremum("min", lift(x), lift(y))


def maximum(x: Any, y: Any) -> Expr:
    """The greater of two values, element by element."""
    return n.Extremum("max", lift(x), lift(y))


def where(condition: Any, x: Any, y: Any) -> Expr:
    """x where the condition holds, else y."""
    return n.Where(lift(condition), lift(x), lift(y))


def exp(x: Any) -> Expr:
    """The exponential."""
    return n.Unary("exp", lift(x))


def log(x: Any) -> Expr:
    """The natural logarithm."""
    return n.Unary("log", lift(x))


def tanh(x: Any) -> Expr:
    """The hyperbolic tangent."""
    return n.Unary("tanh", lift(x))


def sigmoid(x: Any) -> Expr:
    """1 / (1 + exp(-x))."""
    return n.Unary("sigmoid", lift(x))


def softplus(x: Any) -> Expr:
    """log(1 + exp x)."""
    return n.Unary("softplus", lift(x))


def abs(x: Any) -> Expr:
    """The absolute value."""
    return n.Unary("abs", lift(x))


def sin(x: Any) -> Expr:
    """The sine."""
    return n.Unary("sin", lift(x))


def cos(x: Any) -> Expr:
    """The cosine."""
    return n.Unary("cos", lift(x))


def atan(x: Any) -> Expr:
    """The angle between -pi/2 and pi/2 whose tangent is x."""
    return n.Unary("atan", lift(x))


def floor(x: Any) -> Expr:
    """The greatest integer not above x."""
    return n.Unary("floor", lift(x))


def sign(x: Any) -> Expr:
    """-1, 0 or 1."""
    return n.Unary("sign", lift(x))


def lgamma(x: Any) -> Expr:
    """The logarithm of the gamma function."""
    return n.Unary("lgamma", lift(x))


def digamma(x: Any) -> Expr:
    """The derivative of the logarithm of the gamma function."""
    return n.Unary("digamma", lift(x))


def sqrt(x: Any) -> Expr:
    """The square root, x to the power 1/2."""
    return n.Pow(lift(x), n.Number(0.5, None))


@definition("clip")
def _clip(x: Any, low: Any, high: Any) -> Expr:
    return n.Extremum("min", n.Extremum("max", x, low), high)


def clip(x: Any, low: Any, high: Any) -> Expr:
    """x held between two bounds: min(max(x, low), high).

    Errors:
        ExpressionError: when the lower bound is the greater number.
    """
    low, high = lift(low), lift(high)
    if isinstance(low, n.Number) and isinstance(high, n.Number) and low.value > high.value:
        raise ExpressionError(
            f"pr.clip(x, {low.value}, {high.value}): the lower bound comes first; it is above the upper one"
        )
    return _clip(x, low, high)

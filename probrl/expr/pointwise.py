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
    """The indicator of x = y (``==`` asks whether two formulas are the same).

    Example:
        >>> import torch, probrl as pr
        >>> a = pr.symbols("a")
        >>> print(pr.equal(a, 1))
        1[a = 1]
        >>> pr.equal(a, 1)({"a": torch.tensor([0, 1, 2])})
        tensor([0., 1., 0.])
    """
    return compare("eq", x, y)


def minimum(x: Any, y: Any) -> Expr:
    """The lesser of two values, element by element.

    Example:
        >>> import torch, probrl as pr
        >>> x, y = pr.symbols("x y")
        >>> pr.minimum(x, y)({"x": torch.tensor([1.0, 4.0]), "y": torch.tensor([2.0, 3.0])})
        tensor([1., 3.])
    """
    return n.Extremum("min", lift(x), lift(y))


def maximum(x: Any, y: Any) -> Expr:
    """The greater of two values, element by element.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> pr.maximum(x, 0)({"x": torch.tensor([-1.0, 2.0])})
        tensor([0., 2.])
    """
    return n.Extremum("max", lift(x), lift(y))


def where(condition: Any, x: Any, y: Any) -> Expr:
    """x where the condition holds, else y.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> pr.where(x > 0, x, 0.1 * x)({"x": torch.tensor([-1.0, 2.0])})
        tensor([-0.1000,  2.0000])
    """
    return n.Where(lift(condition), lift(x), lift(y))


def exp(x: Any) -> Expr:
    """The exponential.

    Example:
        >>> import torch, probrl as pr
        >>> pr.exp(pr.symbols("x"))({"x": torch.tensor([0.0, 1.0])})
        tensor([1.0000, 2.7183])
    """
    return n.Unary("exp", lift(x))


def log(x: Any) -> Expr:
    """The natural logarithm.

    Example:
        >>> import torch, probrl as pr
        >>> pr.log(pr.symbols("x"))({"x": torch.tensor([1.0, 2.0])})
        tensor([0.0000, 0.6931])
    """
    return n.Unary("log", lift(x))


def tanh(x: Any) -> Expr:
    """The hyperbolic tangent.

    Example:
        >>> import torch, probrl as pr
        >>> pr.tanh(pr.symbols("x"))({"x": torch.tensor([-100.0, 0.0, 1.0])})
        tensor([-1.0000,  0.0000,  0.7616])
    """
    return n.Unary("tanh", lift(x))


def sigmoid(x: Any) -> Expr:
    """1 / (1 + exp(-x)).

    Example:
        >>> import torch, probrl as pr
        >>> pr.sigmoid(pr.symbols("x"))({"x": torch.tensor([-100.0, 0.0, 1.0])})
        tensor([0.0000, 0.5000, 0.7311])
    """
    return n.Unary("sigmoid", lift(x))


def softplus(x: Any) -> Expr:
    """log(1 + exp x).

    Example:
        >>> import torch, probrl as pr
        >>> pr.softplus(pr.symbols("x"))({"x": torch.tensor([0.0, 100.0])})
        tensor([  0.6931, 100.0000])
    """
    return n.Unary("softplus", lift(x))


def abs(x: Any) -> Expr:
    """The absolute value.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> print(abs(x - 1))
        |x - 1|
        >>> pr.abs(x - 1)({"x": torch.tensor([-1.0, 3.0])})
        tensor([2., 2.])
    """
    return n.Unary("abs", lift(x))


def sin(x: Any) -> Expr:
    """The sine.

    Example:
        >>> import torch, probrl as pr
        >>> pr.sin(pr.symbols("x"))({"x": torch.tensor([0.0, 1.0])})
        tensor([0.0000, 0.8415])
    """
    return n.Unary("sin", lift(x))


def cos(x: Any) -> Expr:
    """The cosine.

    Example:
        >>> import torch, probrl as pr
        >>> pr.cos(pr.symbols("x"))({"x": torch.tensor([0.0, 1.0])})
        tensor([1.0000, 0.5403])
    """
    return n.Unary("cos", lift(x))


def atan(x: Any) -> Expr:
    """The angle between -pi/2 and pi/2 whose tangent is x.

    Example:
        >>> import torch, probrl as pr
        >>> pr.atan(pr.symbols("x"))({"x": torch.tensor([0.0, 1.0])})
        tensor([0.0000, 0.7854])
    """
    return n.Unary("atan", lift(x))


def floor(x: Any) -> Expr:
    """The greatest integer not above x.

    Example:
        >>> import torch, probrl as pr
        >>> pr.floor(pr.symbols("x"))({"x": torch.tensor([-0.5, 1.5])})
        tensor([-1.,  1.])
    """
    return n.Unary("floor", lift(x))


def sign(x: Any) -> Expr:
    """-1, 0 or 1.

    Example:
        >>> import torch, probrl as pr
        >>> pr.sign(pr.symbols("x"))({"x": torch.tensor([-2.0, 0.0, 3.0])})
        tensor([-1.,  0.,  1.])
    """
    return n.Unary("sign", lift(x))


def lgamma(x: Any) -> Expr:
    """The logarithm of the gamma function.

    Example:
        >>> import torch, probrl as pr
        >>> pr.lgamma(pr.symbols("x"))({"x": torch.tensor([5.0])})  # log 4!
        tensor([3.1781])
    """
    return n.Unary("lgamma", lift(x))


def digamma(x: Any) -> Expr:
    """The derivative of the logarithm of the gamma function.

    Example:
        >>> import torch, probrl as pr
        >>> pr.digamma(pr.symbols("x"))({"x": torch.tensor([1.0, 2.0])})
        tensor([-0.5772,  0.4228])
    """
    return n.Unary("digamma", lift(x))


def sqrt(x: Any) -> Expr:
    """The square root, x to the power 1/2.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> pr.sqrt(x)({"x": torch.tensor([4.0, 9.0])})
        tensor([2., 3.])
        >>> pr.sqrt(x) == x**0.5
        True
    """
    return n.Pow(lift(x), n.Number(0.5, None))


@definition("clip")
def _clip(x: Any, low: Any, high: Any) -> Expr:
    return n.Extremum("min", n.Extremum("max", x, low), high)


def clip(x: Any, low: Any, high: Any) -> Expr:
    """x held between two bounds: min(max(x, low), high).

    Errors:
        ExpressionError: when the lower bound is the greater number.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> print(pr.clip(x, 0, 1).text(expand=True))
        min(max(x, 0), 1)
        >>> pr.clip(x, 0, 1)({"x": torch.tensor([-2.0, 0.5, 3.0])})
        tensor([0.0000, 0.5000, 1.0000])
    """
    low, high = lift(low), lift(high)
    if isinstance(low, n.Number) and isinstance(high, n.Number) and low.value > high.value:
        raise ExpressionError(
            f"pr.clip(x, {low.value}, {high.value}): the lower bound comes first; it is above the upper one"
        )
    return _clip(x, low, high)

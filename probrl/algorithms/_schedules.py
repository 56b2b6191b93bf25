"""Hyper-parameters that may be numbers or formulas of progress."""

from __future__ import annotations

from typing import Any

from probrl.expr.base import Expr
from probrl.expr.operators import constant
from probrl.expr.scalars import progress


def amount(letter: str, value: Any) -> Any:
    """A number as a constant that prints as its letter; a formula as it is.

    Example:
        >>> import probrl as pr
        >>> amount("epsilon", 0.2).letter
        'epsilon'
        >>> amount("epsilon", pr.progress) is pr.progress
        True
    """
    return value if isinstance(value, Expr) else constant(letter, value)


def annealed(value: Any, falls: bool, letter: str | None = None) -> Any:
    """A number that falls linearly to zero where it shall; a formula says itself what it does.

    Args:
        value: a number or a formula.
        falls: whether a number falls.
        letter: what a number prints as.
    """
    if isinstance(value, Expr):
        return value
    start = value if letter is None else constant(letter, value)
    return start * (1 - progress) if falls else start


def counts(value: Any) -> bool:
    """Whether a weight is there at all: a formula, or a number that is not zero."""
    return isinstance(value, Expr) or value != 0

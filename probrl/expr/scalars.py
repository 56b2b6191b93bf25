"""Scalars that live between updates: learnable parameters, running values, the progress of training."""

from __future__ import annotations

from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.state import Cell


def parameter(name: str, initial: float, positive: bool = False, bounds: tuple[float, float] | None = None) -> Any:
    """A learnable scalar, for ``wrt``.

    Args:
        name: its letter.
        initial: where it starts.
        positive: whether its logarithm is stored, so that it stays above zero whatever the step.
        bounds: the interval that each update projects it onto.

    Errors:
        ExpressionError: when the start lies outside what is allowed.
    """
    if positive and initial <= 0:
        raise ExpressionError(f"pr.parameter({name!r}, {initial}, positive=True) starts at or below zero")
    if bounds is not None and not bounds[0] <= initial <= bounds[1]:
        raise ExpressionError(f"pr.parameter({name!r}, {initial}, bounds={bounds}) starts outside its bounds")
    return n.State(Cell(name, float(initial), "parameter", positive, bounds))


def state(name: str, initial: float = 0.0) -> Expr:
    """A running scalar that only ``pr.Assign`` changes."""
    return n.State(Cell(name, float(initial), "state"))


progress: Expr = n.State(Cell("progress", 0.0, "progress"))
"""The fraction of training done, from 0 to 1: learning rates and coefficients may be formulas of it."""

iteration: Expr = n.State(Cell("iteration", 0.0, "iteration"))
"""How many times the program has run."""

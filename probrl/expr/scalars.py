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

    Example:
        >>> import probrl as pr
        >>> alpha = pr.parameter("alpha", 1.0, positive=True)
        >>> print(alpha)
        α
        where
          α: parameter, positive, from 1.0
        >>> step = pr.Minimize(alpha**2, wrt=alpha, optimizer=pr.SGD(0.5)).compile(backend="eager")
        >>> metrics, value = step({}), alpha({})
        >>> f"{value:.4f}"  # exp(-1)
        '0.3679'
    """
    if positive and initial <= 0:
        raise ExpressionError(f"pr.parameter({name!r}, {initial}, positive=True) starts at or below zero")
    if bounds is not None and not bounds[0] <= initial <= bounds[1]:
        raise ExpressionError(f"pr.parameter({name!r}, {initial}, bounds={bounds}) starts outside its bounds")
    return n.State(Cell(name, float(initial), "parameter", positive, bounds))


def state(name: str, initial: float = 0.0) -> Expr:
    """A running scalar that only ``pr.Assign`` changes.

    Example:
        >>> import torch, probrl as pr
        >>> m, x = pr.state("m", 1.0), pr.symbols("x")
        >>> update = pr.Assign(m, 0.5 * m + 0.5 * pr.mean(x)).compile(backend="eager")
        >>> metrics = update({"x": torch.tensor([4.0, 6.0])})
        >>> m({})
        tensor(3.)
    """
    return n.State(Cell(name, float(initial), "state"))


progress: Expr = n.State(Cell("progress", 0.0, "progress"))
"""The fraction of training done, from 0 to 1: learning rates and coefficients may be formulas of it."""

iteration: Expr = n.State(Cell("iteration", 0.0, "iteration"))
"""How many times the program has run."""

"""The classical Runge-Kutta method."""

from __future__ import annotations

from dataclasses import dataclass

from probrl.solvers.runge_kutta import RungeKutta


@dataclass(frozen=True)
class RK4(RungeKutta):
    """Four evaluations a step, fourth order.

    Source:
        Kutta 1901.

    Example:
        >>> import torch
        >>> import probrl as pr
        >>> flow = pr.Flow("x", lambda x, t: -x, event_shape=1)  # from 1 at t = 1, x' = -x leads to e at t = 0
        >>> flow.sample(n=1, start=torch.ones(1, 1), solver=RK4(1))["x"].item()
        2.7083...
    """

    order = 4
    a = ((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0))
    b = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
    c = (0.0, 0.5, 0.5, 1.0)

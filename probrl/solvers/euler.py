"""Euler's method."""

from __future__ import annotations

from dataclasses import dataclass

from probrl.solvers.runge_kutta import RungeKutta


@dataclass(frozen=True)
class Euler(RungeKutta):
    """x' = x + h v(x, t): one evaluation a step.

    Source:
        Euler 1768.

    Example:
        >>> import torch
        >>> import probrl as pr
        >>> flow = pr.Flow("x", lambda x, t: -x, event_shape=1)  # from 1 at t = 1, x' = -x leads to e at t = 0
        >>> flow.sample(n=1, start=torch.ones(1, 1), solver=Euler(2))["x"].item()
        2.25
    """

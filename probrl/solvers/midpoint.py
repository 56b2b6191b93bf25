"""The midpoint method."""

from __future__ import annotations

from dataclasses import dataclass

from probrl.solvers.runge_kutta import RungeKutta


@dataclass(frozen=True)
class Midpoint(RungeKutta):
    """The velocity at the middle of the step, found by half a step of Euler's.

    Source:
        Runge 1895.

    Example:
        >>> import torch
        >>> import probrl as pr
        >>> flow = pr.Flow("x", lambda x, t: -x, event_shape=1)  # from 1 at t = 1, x' = -x leads to e at t = 0
        >>> flow.sample(n=1, start=torch.ones(1, 1), solver=Midpoint(1))["x"].item()
        2.5
    """

    order = 2
    a = ((0.5,),)
    b = (0.0, 1.0)
    c = (0.0, 0.5)

"""Heun's method."""

from __future__ import annotations

from dataclasses import dataclass

from probrl.solvers.runge_kutta import RungeKutta


@dataclass(frozen=True)
class Heun(RungeKutta):
    """The mean of the velocities at both ends of the step.

    Source:
        Heun 1900; for diffusion Karras et al. 2022.

    Example:
        >>> import torch
        >>> import probrl as pr
        >>> flow = pr.Flow("x", lambda x, t: -x, event_shape=1)  # from 1 at t = 1, x' = -x leads to e at t = 0
        >>> flow.sample(n=1, start=torch.ones(1, 1), solver=Heun(1))["x"].item()
        2.5
    """

    order = 2
    a = ((1.0,),)
    b = (0.5, 0.5)
    c = (0.0, 1.0)

"""The midpoint method."""

from __future__ import annotations

from dataclasses import dataclass

from probrl.solvers.runge_kutta import RungeKutta


@dataclass(frozen=True)
class Midpoint(RungeKutta):
    """The velocity at the middle of the step, found by half a step of Euler's. Source: Runge 1895."""

    order = 2
    a = ((0.5,),)
    b = (0.0, 1.0)
    c = (0.0, 0.5)

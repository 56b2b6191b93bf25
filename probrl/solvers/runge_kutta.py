"""Explicit Runge-Kutta methods: a tableau each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from probrl.solvers.base import Solver, between, ones
from probrl.solvers.schedule import Schedule
from probrl.solvers.scheme import Array, Row, Scheme


@dataclass(frozen=True)
class RungeKutta(Solver):
    r"""The flow dx/dt = v(x, t) by a tableau.

    .. math:: m_i = v\Big(x + h \sum_j a_{ij} m_j,\ t + c_i h\Big), \quad x' = x + h \sum_i b_i m_i
    """

    a: ClassVar[tuple[tuple[float, ...], ...]] = ()  # the rows after the first, which is empty
    b: ClassVar[tuple[float, ...]] = (1.0,)
    c: ClassVar[tuple[float, ...]] = (0.0,)

    def scheme(self, schedule: Schedule, times: Array) -> Scheme:
        t, t_next, h = between(times)
        stages = tuple(np.where(c == 1, t_next, t + c * h) for c in self.c)
        points = tuple(Row(ones(times), tuple(a * h for a in row)) for row in self.a)
        return Scheme(times, self.target, stages, points, Row(ones(times), tuple(b * h for b in self.b)))

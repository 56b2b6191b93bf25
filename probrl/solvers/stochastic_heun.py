"""Heun's method for the drift of a reverse process, between two halves of the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from probrl.solvers.base import between, ones
from probrl.solvers.euler_maruyama import EulerMaruyama
from probrl.solvers.reverse import churn
from probrl.solvers.schedule import Schedule, values
from probrl.solvers.scheme import Array, Row, Scheme


@dataclass(frozen=True)
class StochasticHeun(EulerMaruyama):
    r"""A reverse process by splitting: half a step's noise, the drift by Heun's method, the other half.

    .. math:: x' = \mathrm{Heun}_h(x) + \sqrt{\tfrac12 (Q_k + Q_{k+1})}\, \epsilon, \qquad Q_k = g'^2(t_k)\, |h_k|

    The half that ends a step and the half that begins the next are one draw, so that a step is Gaussian and of weak order
    2; the first half widens the start, a given one too. Arguments are those of :class:`EulerMaruyama`.

    Source:
        Strang 1968, "On the construction and comparison of difference schemes", for the splitting; Heun 1900.

    Example:
        >>> import torch
        >>> import probrl as pr
        >>> model = pr.Flow("x", lambda x, t: (2 * t - 1) / ((1 - t) ** 2 + t**2) * x, event_shape=1)  # data: N(0, 1)
        >>> x = model.sample(n=5000, solver=StochasticHeun(steps=20), generator=torch.Generator().manual_seed(0))["x"]
        >>> round(float(x.std()), 1)
        1.0
    """

    order: ClassVar[int] = 2

    def variances(self, schedule: Schedule, times: Array) -> Array:
        """g'^2 |h| of each step, with the mean of the rates at its ends."""
        h = np.abs(np.diff(times))
        rates = 2 * churn(self.noise, schedule, times) * values(schedule.sigma, times)
        return (rates[:-1] + rates[1:]) / 2 * h

    def scheme(self, schedule: Schedule, times: Array) -> Scheme:
        t, t_next, h = between(times)
        half = self.variances(schedule, times) / 2
        scale = np.sqrt(half + np.append(half[1:], 0.0)) if self.stochastic else None
        rates = tuple(churn(self.noise, schedule, x) for x in (t, t_next))
        point, final = Row(ones(times), (h,)), Row(ones(times), (h / 2, h / 2))
        return Scheme(times, self.target, (t, t_next), (point,), final, scale, rates, float(half[0]))

"""Euler-Maruyama for a reverse process with any noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from probrl.solvers.base import Solver, between, ones
from probrl.solvers.reverse import churn
from probrl.solvers.schedule import Schedule, values
from probrl.solvers.scheme import Array, Row, Scheme


@dataclass(frozen=True)
class EulerMaruyama(Solver):
    r"""A reverse process with constant drift and noise within each step.

    .. math:: x' = x + h \left( v - \tfrac12 g'^2 \nabla \log p \right) + g' \sqrt{|h|}\, \epsilon

    Args:
        steps: how many.
        grid: see :class:`Solver`.
        noise: g'^2: None for the path's own choice, finite at t = 1; "memoryless"; a number that multiplies the forward
            process's g^2; a sympy formula.

    Source:
        Maruyama 1955; for diffusion Song et al. 2021, appendix D.

    Example:
        >>> import torch
        >>> import probrl as pr
        >>> model = pr.Flow("x", lambda x, t: (2 * t - 1) / ((1 - t) ** 2 + t**2) * x, event_shape=1)  # data: N(0, 1)
        >>> x = model.sample(n=5000, solver=EulerMaruyama(steps=100), generator=torch.Generator().manual_seed(0))["x"]
        >>> round(float(x.std()), 1)
        1.0
    """

    noise: Any = None

    target: ClassVar[str] = "drift"
    gaussian_only: ClassVar[bool] = True

    @classmethod
    def examples(cls) -> tuple[Solver, ...]:
        return (cls(), cls(noise="memoryless"), cls(noise=0.5))

    @property
    def stochastic(self) -> bool:
        return self.noise != 0

    def variances(self, schedule: Schedule, times: Array) -> Array:
        """g'^2 |h| of each step."""
        t, _, h = between(times)
        return 2 * churn(self.noise, schedule, t) * values(schedule.sigma, t) * np.abs(h)

    def scheme(self, schedule: Schedule, times: Array) -> Scheme:
        t, _, h = between(times)
        scale = np.sqrt(self.variances(schedule, times)) if self.stochastic else None
        final = Row(ones(times), (h,))
        return Scheme(times, self.target, (t,), (), final, scale, (churn(self.noise, schedule, t),))

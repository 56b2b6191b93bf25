"""Euler-Maruyama for a reverse process with any noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from probrl.solvers.base import Schedule, Solver, between, ones
from probrl.solvers.reverse import checked, churn
from probrl.solvers.scheme import Array, Row, Scheme


@dataclass(frozen=True)
class EulerMaruyama(Solver):
    r"""A reverse process by constant drift and noise in each step.

    .. math:: x' = x + h \left( v - \tfrac12 g'^2 \nabla \log p \right) + g' \sqrt{|h|}\, \epsilon

    Args:
        steps: how many.
        grid: see :class:`Solver`.
        noise: g', see :func:`~probrl.solvers.reverse.churn`: "own", "memoryless", or a number.

    Source:
        Maruyama 1955; for diffusion Song et al. 2021, appendix D.
    """

    noise: str | float = "own"

    target: ClassVar[str] = "drift"
    gaussian_only: ClassVar[bool] = True

    @classmethod
    def examples(cls) -> tuple[Solver, ...]:
        return (cls(), cls(noise="memoryless"), cls(noise=0.5))

    @property
    def stochastic(self) -> bool:
        return self.noise != 0

    def __post_init__(self) -> None:
        super().__post_init__()
        checked(self.noise, type(self).__name__)

    def variances(self, schedule: Schedule, times: Array) -> Array:
        """g'^2 |h| of each step."""
        t, _, h = between(times)
        return 2 * churn(self.noise, schedule, t) * schedule.numbers("sigma", t) * np.abs(h)

    def scheme(self, schedule: Schedule, times: Array) -> Scheme:
        t, _, h = between(times)
        scale = np.sqrt(self.variances(schedule, times)) if self.stochastic else None
        final = Row(ones(times), (h,))
        return Scheme(times, self.target, (t,), (), final, scale, (churn(self.noise, schedule, t),))

"""Denoising diffusion implicit models, and their ancestral sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from probrl.errors import DataError
from probrl.solvers.base import Solver
from probrl.solvers.schedule import Schedule, values
from probrl.solvers.scheme import Array, Row, Scheme


@dataclass(frozen=True)
class DDIM(Solver):
    r"""The predicted data, noised again to the next, lower noise level.

    .. math:: x' = \alpha' \hat x_0 + \sqrt{\sigma'^2 - c^2}\, \hat\epsilon + c\,\epsilon, \quad
              c = \eta\, \frac{\sigma'}{\sigma} \sqrt{\sigma^2 - (\alpha / \alpha')^2 \sigma'^2}

    Args:
        steps: how many.
        grid: see :class:`Solver`.
        eta: 0 is deterministic, 1 draws from the posterior of the forward process (ancestral sampling).

    Errors:
        DataError for an eta outside [0, 1].

    Source:
        Song, Meng and Ermon 2021, "Denoising diffusion implicit models", equations 12 and 16; for any path.

    Example:
        >>> import torch
        >>> import probrl as pr
        >>> model = pr.Diffusion("x", lambda x, t: 0 * x + 3, event_shape=1, predicts="data")  # all data are at 3
        >>> model.sample(n=2, solver=DDIM(steps=1))["x"].squeeze(1)
        tensor([3., 3.])
    """

    eta: float = 0.0

    order = 1
    target = "data"
    gaussian_only = True

    @classmethod
    def examples(cls) -> tuple[Solver, ...]:
        return (cls(), cls(eta=1.0), cls(eta=0.5))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.eta <= 1:
            raise DataError(f"pr.solvers.{type(self).__name__}(eta={self.eta!r}): eta is a number from 0 to 1")

    @property
    def stochastic(self) -> bool:
        return self.eta > 0

    def scheme(self, schedule: Schedule, times: Array) -> Scheme:
        alpha, sigma = values(schedule.alpha, times), values(schedule.sigma, times)
        a, a_next, s, s_next = alpha[:-1], alpha[1:], sigma[:-1], sigma[1:]
        # of the forward process, the variance that a step adds
        added = np.maximum(s**2 - (a / a_next) ** 2 * s_next**2, 0.0)
        c = self.eta * s_next / s * np.sqrt(added)
        kept = np.sqrt(np.maximum(s_next**2 - c**2, 0.0)) / s
        final = Row(kept, (a_next - a * kept,))
        return Scheme(times, self.target, (times[:-1],), (), final, c if self.stochastic else None)


def ancestral(steps: int = 10, **options: Any) -> DDIM:
    """Ancestral sampling: :class:`DDIM` with eta = 1.

    Source:
        Ho, Jain and Abbeel 2020, equation 7.

    Example:
        >>> ancestral(steps=20).said
        'DDIM 20, eta 1.0'
    """
    return DDIM(steps, eta=1.0, **options)

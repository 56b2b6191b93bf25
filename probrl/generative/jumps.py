"""Solvers of models that jump: to data and, with fresh noise, back to a time nearer to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from probrl.solvers.base import Solver
from probrl.solvers.schedule import Schedule, values
from probrl.solvers.scheme import Array, Row, Scheme


@dataclass(frozen=True)
class Jumps(Solver):
    """x' = alpha' f(x, t) + sigma' eps: the end of the flow, noised again; after the last jump no noise.

    Args:
        steps: how many; each is one call of the network.
        grid: of the times in between, see :class:`Solver`; the log-SNR's unless stated.

    Source:
        Song, Dhariwal, Chen and Sutskever 2023, "Consistency models", algorithm 1.

    Example:
        >>> import probrl as pr
        >>> model = pr.ConsistencyModel("x", pr.networks.TimeMLP(2))
        >>> model.sample(n=4, solver=Jumps(steps=2))["x"].shape
        torch.Size([4, 2])
    """

    steps: int = 1

    target: ClassVar[str] = "data"
    usual: ClassVar[str] = "log_snr"
    gaussian_only: ClassVar[bool] = True

    @property
    def stochastic(self) -> bool:
        return self.steps > 1

    def scheme(self, schedule: Schedule, times: Array) -> Scheme:
        after = times[1:]
        alpha, sigma = values(schedule.alpha, after), values(schedule.sigma, after)
        alpha[-1], sigma[-1] = 1.0, 0.0  # what was said of the data is the sample
        final = Row(np.zeros(len(after)), (alpha,))
        return Scheme(times, self.target, (times[:-1],), (), final, sigma if self.stochastic else None)


@dataclass(frozen=True)
class Averages(Solver):
    """x_r = x_t - (t - r) u(x_t, r, t) by an average velocity: exact for steps of any length.

    Args:
        steps: how many; each is one call of the network.
        grid: see :class:`Solver`.

    Source:
        Geng et al. 2025, "Mean flows for one-step generative modeling".

    Example:
        >>> import probrl as pr
        >>> model = pr.MeanFlow("x", pr.networks.TimeMLP(2, condition=1))
        >>> model.sample(n=4, solver=Averages(steps=1))["x"].shape
        torch.Size([4, 2])
    """

    steps: int = 1

    target: ClassVar[str] = "average"

    def scheme(self, schedule: Schedule, times: Array) -> Scheme:
        steps = np.diff(times)
        return Scheme(times, self.target, (times[:-1],), (), Row(np.ones(len(steps)), (steps,)))


def leads_to(scheme: Scheme, stage: int) -> Array:
    """Until when what is asked at a stage is averaged: the end of the step, or the stage's own time."""
    return scheme.times[1:] if scheme.target == "average" else scheme.stages[stage]

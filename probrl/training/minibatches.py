"""The loop over a data set: so many minibatches, one run of the program, one row of metrics."""

from __future__ import annotations

from typing import Any

from probrl.training.batches import Batches
from probrl.training.callbacks import Callback
from probrl.training.loop import Loop, refuse_non_finite


class MinibatchTrainer(Loop):
    """Joins what learns with a data set.

    Args:
        agent: who learns.
        batches: rows without end.
        size: rows per step.
        interval: steps per row of metrics.
    """

    def __init__(self, agent: Any, batches: Batches, size: int, interval: int) -> None:
        self.agent, self.collector = agent, batches
        self.size, self.interval = size, interval
        self.metrics: dict[str, float] = {}
        self.callbacks: list[Callback] = []
        self._took = interval

    @property
    def steps_per_update(self) -> int:
        """How many steps the newest row of metrics stands for."""
        return self._took

    def planned(self, steps: int) -> int:
        """How often weights will move: once per step."""
        return steps

    def step(self, progress: float) -> dict[str, float]:
        """Steps up to the next multiple of the interval, or to the goal, see :meth:`Loop.step`."""
        agent = self.agent
        self._took = min(self.interval - agent.timesteps % self.interval, agent.goal - agent.timesteps)
        agent.update.progress = progress
        metrics = agent.update(self.collector.take(self._took * self.size))
        agent.iteration += 1
        agent.timesteps += self._took
        row = {"timesteps": agent.timesteps, "iteration": agent.iteration}
        row.update({name: float(value) for name, value in metrics.items()})
        self.metrics = row
        refuse_non_finite(row, list(metrics))
        return row

"""The engine that every trainer runs on: progress, metrics, callbacks, checkpoints, ctrl-C, whatever is learned from."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from probrl.errors import NonFiniteError
from probrl.training.callbacks import Callback, gathered, hook, told
from probrl.training.interrupt import Interrupt
from probrl.training.keeping import Keeping
from probrl.training.kept import go_on
from probrl.training.progress import ProgressBar
from probrl.training.settings import computing_with, whole_number


class Loop(ABC):
    """Learns step by step, up to a goal, and lets others look on.

    Attributes:
        agent: who learns: its settings, how far it is, its run folder and its compiled program.
        collector: where the data come from; has ``state()`` and ``set_state()``.
        metrics: the newest row; what a callback puts into it is kept with it.
        callbacks: who is told after every update.
    """

    agent: Any
    collector: Any
    metrics: Any
    callbacks: list[Callback]

    @property
    @abstractmethod
    def steps_per_update(self) -> int:
        """How many steps one row of metrics stands for."""

    @abstractmethod
    def planned(self, steps: int) -> int:
        """How often parameters will move in so many steps."""

    @abstractmethod
    def step(self, progress: float) -> dict[str, float]:
        """Learns for :attr:`steps_per_update` steps and gives their row of metrics.

        Args:
            progress: how far the learning is, 0 to 1: what ``pr.progress`` stands for.

        Errors:
            NonFiniteError naming the terms that are NaN or infinite, and the step; the weights stay those of before.
        """

    def learn(self, total_timesteps: int, callback: Callback | Iterable[Callback] | None = None) -> Any:
        """Learns for some more steps; see :meth:`probrl.training.agent.Agent.learn`."""
        agent, began = self.agent, self.agent.timesteps
        total_timesteps = whole_number("total_timesteps", total_timesteps)
        goal = began + total_timesteps
        callbacks = self.callbacks = gathered(agent, callback)
        hook(callbacks, "begin", self)  # type: ignore[arg-type]
        agent.compile(updates=self.planned(total_timesteps))
        start, agent.goal = time.perf_counter(), goal
        go_on(agent, self.collector, callbacks)
        bar = ProgressBar(goal, began, agent.settings.progress)
        with computing_with(agent.threads), bar, Interrupt() as interrupt, Keeping(agent):
            while agent.timesteps < goal:
                row = self.step(agent.timesteps / goal)
                seconds = time.perf_counter() - start
                row["seconds"] = seconds
                row["steps_per_second"] = (agent.timesteps - began) / seconds
                try:
                    goes_on = told(callbacks, self)  # type: ignore[arg-type]
                finally:
                    agent.metrics.add(row)
                bar.update(agent.timesteps, row)
                hook(callbacks, "after", self)  # type: ignore[arg-type]
                if not goes_on or interrupt.asked:
                    break
        hook(callbacks, "end", self)  # type: ignore[arg-type]
        if interrupt.asked:
            kept = f": probrl resume {agent.folder} goes on" if agent.folder else ""
            raise KeyboardInterrupt(f"interrupted at step {agent.timesteps}{kept}")


def refuse_non_finite(row: dict[str, float], names: list[str]) -> None:
    """Stops a learning that an update refused.

    Errors:
        NonFiniteError naming the terms and the step.
    """
    if row.get("finite", 1.0) >= 1.0:
        return
    bad = [name for name in names if name != "finite" and not math.isfinite(row[name])]
    what = ", ".join(bad) if bad else "the gradient"
    raise NonFiniteError(
        f"{what} is not finite at step {int(row['timesteps'])} (update {int(row['iteration'])}): "
        "that update was refused, the weights are those of before"
    )

"""The on-policy loop: play some steps with the current policy, run the program on them, forget them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from probrl.envs import EnvLike, make, repeatable
from probrl.errors import EnvironmentError, NonFiniteError
from probrl.program import Fit, Minimize, Together
from probrl.training.callbacks import Callback, gathered, hook, told
from probrl.training.checkpoint import refuse_broken
from probrl.training.collector import Collector
from probrl.training.interrupt import Interrupt
from probrl.training.keeping import Keeping
from probrl.training.kept import go_on
from probrl.training.progress import ProgressBar
from probrl.training.settings import computing_with, whole_number

if TYPE_CHECKING:
    from probrl.training.agent import Agent


class OnPolicyTrainer:
    """Joins an agent with environments; ``agent.learn`` makes one, and so may anybody who wants the loop in hand.

    Args:
        env: what is played; None is the agent's own.
        agent: who plays and learns.

    Attributes:
        collector: plays the environments.
        metrics: the newest row; what a callback puts into it is kept with it.
        callbacks: who is told after every update.

    Example:
        ``OnPolicyTrainer("CartPole-v1", agent).learn(10_000)``
    """

    def __init__(self, env: EnvLike | None, agent: Agent) -> None:
        self.agent = agent
        if env is None or env is agent.env:
            environments = agent.environments
        else:
            environments = make(env, agent.algorithm.num_envs if repeatable(env) else None, **agent.making(env))
        if environments.spaces != agent.spaces:
            raise EnvironmentError(f"{environments.name} has other spaces than the agent: {environments.spaces}")
        steps, settings = agent.algorithm.num_steps, agent.settings
        # where a loaded agent goes on, its environments start from another seed than they did at first
        self.collector = Collector(
            environments, agent.sampler(), steps, settings.seed + agent.timesteps, settings.device
        )
        self.environments = environments
        self.metrics: dict[str, float] = {}
        self.callbacks: list[Callback] = []

    @property
    def steps_per_update(self) -> int:
        """How many steps of the environment come before each update."""
        return self.collector.rollout.num_envs * self.collector.rollout.steps

    def learn(self, total_timesteps: int, callback: Callback | Iterable[Callback] | None = None) -> None:
        """Plays and learns for some more steps; see :meth:`Agent.learn`."""
        agent, began = self.agent, self.agent.timesteps
        goal = began + whole_number("total_timesteps", total_timesteps)
        callbacks = self.callbacks = gathered(agent, callback)
        hook(callbacks, "begin", self)
        rows = self.steps_per_update
        agent.compile(updates=-(-total_timesteps // rows) * planned_updates(agent.program, rows))
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
                    goes_on = told(callbacks, self)
                finally:
                    agent.metrics.add(row)
                bar.update(agent.timesteps, row)
                hook(callbacks, "after", self)
                if not goes_on or interrupt.asked:
                    break
        hook(callbacks, "end", self)
        if interrupt.asked:
            kept = f": probrl resume {agent.folder} goes on" if agent.folder else ""
            raise KeyboardInterrupt(f"interrupted at step {agent.timesteps}{kept}")

    def step(self, progress: float) -> dict[str, float]:
        """One rollout and one run of the program on it.

        Args:
            progress: how far the learning is, 0 to 1: what ``pr.progress`` stands for.

        Errors:
            NonFiniteError naming the terms that are NaN or infinite, and the step; the weights stay those of before.
        """
        agent, update = self.agent, self.agent.update
        try:
            rollout = self.collector.collect()
        except NonFiniteError:
            refuse_broken(agent)  # what a broken policy says is no fault of the environment's
            raise
        update.progress = progress
        metrics = update(agent.normalization.rollout(rollout.columns(agent.settings.device)))
        agent.iteration += 1
        agent.timesteps += rollout.num_envs * rollout.steps
        row = {"timesteps": agent.timesteps, "iteration": agent.iteration, **self._episodes()}
        row.update({name: float(value) for name, value in metrics.items()})
        self.metrics = row
        refuse_non_finite(row, list(metrics))
        return row

    def _episodes(self) -> dict[str, float]:
        log = self.environments.episodes
        played = bool(log.returns)
        return {
            "episodes": log.finished,
            "episode_return": sum(log.returns) / len(log.returns) if played else math.nan,
            "episode_length": sum(log.lengths) / len(log.lengths) if played else math.nan,
        }


def planned_updates(step: Any, rows: int) -> int:
    """How often one run of a program moves parameters, on so many rows; epochs that are a formula count once."""
    if isinstance(step, (Minimize, Together)):
        return 1
    inside = sum(planned_updates(inner, rows) for inner in getattr(step, "steps", ()))
    if isinstance(step, Fit):
        epochs = step.epochs if isinstance(step.epochs, int) else 1
        return inside * epochs * (1 if step.minibatch is None else max(rows // step.minibatch, 1))
    return inside


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

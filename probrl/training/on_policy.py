"""The on-policy loop: play some steps with the current policy, run the program on them, forget them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from probrl.envs import EnvLike, make, repeatable
from probrl.errors import EnvironmentError, NonFiniteError
from probrl.program import Fit, Minimize, Together
from probrl.training.callbacks import Callback
from probrl.training.checkpoint import refuse_broken
from probrl.training.collector import Collector
from probrl.training.loop import Loop, refuse_non_finite

if TYPE_CHECKING:
    from probrl.training.agent import Agent


class OnPolicyTrainer(Loop):
    """Runs the training loop of an agent; ``agent.learn`` creates one, and you can create your own for explicit control.

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
            environments,
            agent.sampler(),
            steps,
            settings.seed + agent.timesteps,
            settings.device,
            lambda: agent.networks().values(),
        )
        self.environments = environments
        self.metrics: dict[str, float] = {}
        self.callbacks: list[Callback] = []

    @property
    def steps_per_update(self) -> int:
        """Environment steps per update."""
        return self.collector.rollout.num_envs * self.collector.rollout.steps

    def planned(self, steps: int) -> int:
        """How often parameters will move in so many steps."""
        rows = self.steps_per_update
        return -(-steps // rows) * planned_updates(self.agent.program, rows)

    def step(self, progress: float) -> dict[str, float]:
        """One rollout and one run of the program on it.

        Args:
            progress: how far the learning is, 0 to 1: what ``pr.progress`` stands for.

        Errors:
            NonFiniteError naming the terms that are NaN or infinite, and the step; the weights stay those of before.
        """
        agent, update = self.agent, self.agent.update
        try:
            with agent.normalization.watching():
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

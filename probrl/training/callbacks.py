"""What may look on while an agent learns: evaluations, thresholds and checkpoints, told after every update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from probrl.envs import EnvLike, repeatable
from probrl.errors import DataError
from probrl.training.evaluation import Evaluation
from probrl.training.settings import whole_number

if TYPE_CHECKING:
    from probrl.training.agent import Agent
    from probrl.training.on_policy import OnPolicyTrainer

__all__ = ["Checkpoint", "Evaluate", "StopAt", "TensorBoard", "WandB"]  # noqa: F822 - the last two are imported late

Callback = Callable[["OnPolicyTrainer"], bool | None]

BEST_SEED = 2_000_003  # added to the agent's: neither what it learned from nor what ``agent.evaluate`` plays
WORTH_A_PICTURE = 10.0  # seconds of learning
WINDOW = 100  # finished episodes that the environments remember


class Evaluate:
    """Plays evaluation episodes every ``every`` steps and keeps the best agent.

    The episodes are the same every time, played in environments of their own, and leave the learning as it was. Adds
    the columns ``eval_return``, ``eval_std`` and ``eval_length`` to the metrics.

    Args:
        every: steps of the environment from one evaluation to the next.
        episodes: how many are played.
        deterministic: the likeliest actions; False draws them.
        env: what is played; None is the agent's own, made anew.
        path: where the best agent is saved; None is the folder ``best`` of the run folder, if there is one.
        seed: of the first resets; None derives one from the agent's.

    Attributes:
        best: the greatest mean return so far.
        latest: the newest :class:`Evaluation`.

    Example:
        ``agent.learn(100_000, callback=pr.callbacks.Evaluate(every=10_000))``
    """

    def __init__(
        self,
        every: int,
        episodes: int = 20,
        deterministic: bool = True,
        env: EnvLike | None = None,
        path: str | Path | None = None,
        seed: int | None = None,
    ) -> None:
        self.every, self.episodes = whole_number("every", every), whole_number("episodes", episodes)
        self.deterministic, self.env, self.path = deterministic, env, path
        self.seed = None if seed is None else whole_number("seed", seed, least=0)
        self.best = -math.inf
        self.latest: Evaluation | None = None

    def begin(self, trainer: OnPolicyTrainer) -> None:
        """Refuses an agent whose environment cannot be made anew, before anything is learned."""
        env = trainer.agent.env
        if self.env is None and (env is None or not repeatable(env)):
            raise DataError(
                "Evaluate plays in environments of its own, and no second one can be made of an instance: "
                "hand one over, as in Evaluate(every=..., env=...)"
            )

    def __call__(self, trainer: OnPolicyTrainer) -> None:
        """Evaluates where it is time to, and writes the result into ``trainer.metrics``."""
        if not due(trainer, self.every):
            return
        agent = trainer.agent
        seed = agent.settings.seed + BEST_SEED if self.seed is None else self.seed
        acting = agent._generator.get_state()  # drawn actions must not change what is learned afterwards
        with torch.random.fork_rng(devices=[]):
            found = agent.evaluate(self.episodes, self.deterministic, self.env, seed)
        agent._generator.set_state(acting)
        self.latest = found
        length = float(np.mean(found.lengths))
        trainer.metrics.update(eval_return=found.mean, eval_std=found.std, eval_length=length)

    def after(self, trainer: OnPolicyTrainer) -> None:
        """Saves the agent if it is the best so far."""
        if self.latest is None or "eval_return" not in trainer.metrics or self.latest.mean <= self.best:
            return
        self.best = self.latest.mean
        path = self.path or (trainer.agent.folder and trainer.agent.folder / "best")
        if path:
            trainer.agent.save(path)

    def state(self) -> dict[str, Any]:
        """The best mean return so far."""
        return {"best": self.best}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on where another one stopped."""
        self.best = float(state["best"])


class StopAt:
    """Stops training once the mean return reaches a threshold.

    Args:
        threshold: the mean return that is.
        episodes: how many of the last episodes of the learning the mean is over, at most 100.
        evaluation: whether it is the mean of the newest evaluation instead, made by an ``Evaluate`` that comes before.

    Example:
        ``agent.learn(100_000, callback=pr.callbacks.StopAt(475, episodes=20))``
    """

    def __init__(self, threshold: float, episodes: int = 100, evaluation: bool = False) -> None:
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not math.isfinite(threshold):
            raise DataError(f"the threshold must be a finite number, got {threshold!r}")
        episodes = whole_number("episodes", episodes)
        if episodes > WINDOW:
            raise DataError(f"the last {WINDOW} episodes are remembered, StopAt cannot look at {episodes}")
        self.threshold, self.episodes, self.evaluation = float(threshold), episodes, evaluation

    def __call__(self, trainer: OnPolicyTrainer) -> bool:
        """False where the mean has reached the threshold."""
        if self.evaluation:
            return not trainer.metrics.get("eval_return", -math.inf) >= self.threshold
        returns = list(trainer.environments.episodes.returns)[-self.episodes :]
        return len(returns) < self.episodes or float(np.mean(returns)) < self.threshold


class Checkpoint:
    """Saves the agent every ``every`` steps, each time replacing the previous checkpoint.

    Args:
        every: steps of the environment from one to the next.
        path: the folder; None is the run folder.

    Example:
        ``agent.learn(100_000, callback=pr.callbacks.Checkpoint(every=10_000, path="runs/mine"))``
    """

    def __init__(self, every: int, path: str | Path | None = None) -> None:
        self.every, self.path = whole_number("every", every), path

    def begin(self, trainer: OnPolicyTrainer) -> None:
        """Refuses an agent that has no run folder if there is no other place."""
        if self.path is None and trainer.agent.folder is None:
            raise DataError("Checkpoint needs a place: name one, as in Checkpoint(every=..., path='runs/mine')")

    def __call__(self, trainer: OnPolicyTrainer) -> None:
        """Nothing: it saves once the metrics of the update are written."""

    def after(self, trainer: OnPolicyTrainer) -> None:
        """Saves where it is time to."""
        path = self.path or trainer.agent.folder
        if path is not None and due(trainer, self.every):
            trainer.agent.save(path)


_LATE = {  # who does not write for them does not import them
    "TensorBoard": "probrl.training.tensorboard",
    "WandB": "probrl.training.weights_and_biases",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def due(trainer: OnPolicyTrainer, every: int) -> bool:
    """Whether the newest update passed a multiple of so many steps."""
    steps = trainer.agent.timesteps
    return steps // every > (steps - trainer.steps_per_update) // every


def gathered(agent: Agent, callback: Callback | Iterable[Callback] | None) -> list[Callback]:
    """Who is told: what the settings evaluate, then the user's own, then what the settings write.

    Errors:
        DataError for what cannot be called, and for a threshold on evaluations that nobody makes.
    """
    own = [] if callback is None else list(callback) if isinstance(callback, Iterable) else [callback]
    asked = built_in(agent)
    first = [one for one in asked if isinstance(one, (Evaluate, StopAt))]
    several = [*first, *own, *(one for one in asked if one not in first)]
    evaluates = False
    for one in several:
        if not callable(one) or isinstance(one, type):
            raise DataError(f"a callback is called with the trainer after every update: {one!r} cannot be")
        evaluates = evaluates or isinstance(one, Evaluate)
        if isinstance(one, StopAt) and one.evaluation and not evaluates:
            raise DataError("StopAt(evaluation=True) needs an Evaluate before it in the list of callbacks")
    return several


def built_in(agent: Agent) -> list[Callback]:
    """What the agent's settings ask for."""
    settings = agent.settings
    found: list[Callback] = []
    if settings.eval_interval is not None:
        found.append(agent.evaluating())
    if settings.stop_at is not None:
        found.append(StopAt(settings.stop_at, evaluation=settings.eval_interval is not None))
    if settings.tensorboard:
        from probrl.training.tensorboard import TensorBoard

        found.append(TensorBoard())
    if agent.folder is not None and settings.checkpoint_interval is not None:
        found.append(Checkpoint(settings.checkpoint_interval))
    if agent.folder is not None and settings.plot is not False:
        from probrl.training.portrait import Portrait

        found.append(Portrait(0.0 if settings.plot else WORTH_A_PICTURE))
    return found


def told(callbacks: list[Callback], trainer: OnPolicyTrainer) -> bool:
    """Calls all of them after an update; whether the learning goes on, which one that returns False ends."""
    answers = [callback(trainer) for callback in callbacks]
    return not any(answer is False for answer in answers)


def hook(callbacks: list[Callback], name: str, trainer: OnPolicyTrainer) -> None:
    """Calls the method of a name where a callback has it.

    ``begin(trainer)`` comes before anything is learned, ``after(trainer)`` once the metrics of an update are written,
    ``end(trainer)`` when the learning is over.
    """
    for callback in callbacks:
        method = getattr(callback, name, None)
        if method is not None:
            method(trainer)

"""Metrics for TensorBoard, under the tags that Stable-Baselines3 writes, so that runs of both lie in one picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probrl.errors import DataError, MissingExtraError
from probrl.expr.base import Expr
from probrl.graph.cells import tensor_of
from probrl.graph.function import Function
from probrl.program import Minimize

if TYPE_CHECKING:
    from probrl.training.on_policy import OnPolicyTrainer

TAGS = {
    "episode_return": "rollout/ep_rew_mean",
    "episode_length": "rollout/ep_len_mean",
    "steps_per_second": "time/fps",
    "timesteps": "time/total_timesteps",
    "iteration": "time/iterations",
    "seconds": "time/time_elapsed",
    "policy": "train/policy_gradient_loss",
    "value": "train/value_loss",
    "clip_fraction": "train/clip_fraction",
    "eval_return": "eval/mean_reward",
    "eval_length": "eval/mean_ep_length",
}
NEGATED = {"entropy": "train/entropy_loss"}  # a loss is what is minimised: minus the entropy
SILENT = {"episodes", "progress"}


def tags(row: dict[str, float]) -> dict[str, float]:
    """The tag and value of every metric of a row that is a number; what has no tag of its own goes below ``train/``.

    Example:
        >>> tags({"timesteps": 64, "episode_return": 20.0, "entropy": 0.5, "approx_kl": 0.01})
        {'time/total_timesteps': 64, 'rollout/ep_rew_mean': 20.0, 'train/entropy_loss': -0.5, 'train/approx_kl': 0.01}
    """
    found = {}
    for name, value in row.items():
        if name in SILENT or not math.isfinite(value):
            continue
        if name in NEGATED:
            found[NEGATED[name]] = -value
        elif name.startswith("eval_") and name not in TAGS:
            found[f"eval/{name.removeprefix('eval_')}"] = value
        else:
            found[TAGS.get(name, f"train/{name}")] = value
    return found


def learning_rates(program: Any) -> dict[str, Callable[[Any], float]]:
    """The learning rate of every update of a program by name, each as a function of the compiled program."""
    moved = [part for step in _inside(program) if isinstance(step, Minimize) for part in step.wrt]
    optimizers = list({id(part.optimizer): part.optimizer for part in moved}.values())
    names = ["learning_rate"] if len(optimizers) == 1 else [f"learning_rate_{i}" for i in range(len(optimizers))]
    return {name: _rate(optimizer.lr) for name, optimizer in zip(names, optimizers, strict=True)}


def _inside(step: Any) -> Iterator[Any]:
    yield step
    for inner in getattr(step, "steps", ()):
        yield from _inside(inner)


def _rate(formula: Any) -> Callable[[Any], float]:
    if not isinstance(formula, Expr):
        return lambda update: float(formula)
    function = Function({"rate": formula})

    def now(update: Any) -> float:
        cells = {name: update.scalars.get(cell, tensor_of(cell)) for cell, name in function.inputs.cells.items()}
        return float(function.module.forward(**cells)[0])

    return now


class TensorBoard:
    """A callback that writes every row of metrics for TensorBoard.

    Args:
        path: the folder; None is the folder ``tensorboard`` of the run folder.

    Errors:
        MissingExtraError where TensorBoard is not installed; DataError without a place to write to.

    Example:
        ``agent.learn(100_000, callback=pr.callbacks.TensorBoard("runs/tensorboard"))``
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = path
        self._writer: Any = None
        self._rates: dict[str, Callable[[Any], float]] = {}
        try:
            # it is imported here so that its absence is said before anything is learned
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("TensorBoard is not installed: pip install 'probrl[log]'") from error

    def begin(self, trainer: OnPolicyTrainer) -> None:
        """Finds the place of the log."""
        folder = trainer.agent.folder
        if self.path is None and folder is None:
            raise DataError("TensorBoard needs a place: name one, as in TensorBoard('runs/tensorboard')")
        self._place = str(self.path or f"{folder}/tensorboard")
        self._rates = learning_rates(trainer.agent.program)

    def __call__(self, trainer: OnPolicyTrainer) -> None:
        """Nothing: it writes once the metrics of the update are complete."""

    def after(self, trainer: OnPolicyTrainer) -> None:
        """Writes the newest row."""
        steps = trainer.agent.timesteps
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # what a run that is resumed had written after its checkpoint is not shown
            self._writer = SummaryWriter(self._place, purge_step=steps)
        rates = {name: value(trainer.agent.update) for name, value in self._rates.items()}
        for tag, value in tags({**trainer.metrics, **rates}).items():
            self._writer.add_scalar(tag, value, steps)

    def end(self, trainer: OnPolicyTrainer) -> None:
        """Makes sure that everything is on disk."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

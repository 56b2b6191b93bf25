"""Metrics for Weights & Biases, under the names that they have here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from probrl.errors import MissingExtraError

if TYPE_CHECKING:
    from probrl.training.on_policy import OnPolicyTrainer


class WandB:
    """A callback that sends every row of metrics, and once the configuration of the run.

    Args:
        project: where the run goes.
        options: handed to ``wandb.init``, such as ``name``, ``group`` or ``mode="offline"``.

    Errors:
        MissingExtraError where wandb is not installed.

    Example:
        ``agent.learn(100_000, callback=pr.callbacks.WandB("cartpole", mode="offline"))``
    """

    def __init__(self, project: str = "probrl", **options: Any) -> None:
        try:
            import wandb
        except ImportError as error:
            raise MissingExtraError("wandb is not installed: pip install 'probrl[log]'") from error
        self._init, self._options = wandb.init, {"project": project, **options}
        self._run: Any = None

    def __call__(self, trainer: OnPolicyTrainer) -> None:
        """Nothing: it sends once the metrics of the update are complete."""

    def after(self, trainer: OnPolicyTrainer) -> None:
        """Sends the newest row."""
        from probrl.training.checkpoint import configuration

        if self._run is None:
            self._run = self._init(config=configuration(trainer.agent), **self._options)
        numbers = {name: value for name, value in trainer.metrics.items() if math.isfinite(value)}
        self._run.log(numbers, step=trainer.agent.timesteps)

    def end(self, trainer: OnPolicyTrainer) -> None:
        """Closes the run."""
        if self._run is not None:
            self._run.finish()
            self._run = None

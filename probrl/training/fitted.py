"""How a generative model is trained on data: hyper-parameters and settings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from probrl.errors import DataError
from probrl.graph.optimizers import Adam, Optimizer
from probrl.training.catalogue import check_hyper_parameters
from probrl.training.settings import Settings, nearest

USUAL = Adam(1e-3)
RUNNING = (
    "seed", "device", "backend", "run", "progress", "threads", "checkpoint_interval", "eval_interval", "tensorboard",
    "plot",
)  # fmt: skip


@dataclass(frozen=True)
class Fitting:
    """How a generative model is trained on data.

    Args:
        optimizer: optimiser of the weights; its learning rate may be a formula of ``pr.progress``.
        batch_size: rows per step.
        ema: decay of the moving average of the weights; None keeps no average.
        max_grad_norm: bound on the global norm of the gradient; None does not clip.
        log_interval: steps per row of metrics, which is also how often ``pr.progress`` advances.
        held_out: fraction of the data that is kept out of training, for evaluation.

    Errors:
        DataError naming what is out of its range.
    """

    optimizer: Optimizer = USUAL
    batch_size: int = 512
    ema: float | None = 0.999
    max_grad_norm: float | None = None
    log_interval: int = 100
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise DataError(f"the optimizer is one of probrl's, as in pr.Adam(1e-3), not {self.optimizer!r}")
        check_hyper_parameters(self)
        if self.ema is not None and not 0 <= self.ema < 1:
            raise DataError(f"ema is None or a share in [0, 1), got {self.ema!r}")
        if not 0 <= self.held_out < 1:
            raise DataError(f"held_out is a share in [0, 1), got {self.held_out!r}")


def sorted_out(
    options: dict[str, Any], optimizer: Optimizer, batch_size: int, ema: float | None
) -> tuple[Fitting, Settings]:
    """Options by what they are of.

    Errors:
        DataError for one that is unknown, with the nearest.
    """
    fitting = [f.name for f in dataclasses.fields(Fitting) if f.name not in ("optimizer", "batch_size", "ema")]
    known = [*fitting, *RUNNING]
    for name in options:
        if name not in known and name != "kept":
            raise DataError(f"GenerativeTrainer has no option {name!r}: {nearest(name, known)}")
    own = {name: value for name, value in options.items() if name in fitting}
    running = {"checkpoint_interval": 1000, **{k: v for k, v in options.items() if k in RUNNING}}
    return Fitting(optimizer, batch_size, ema, **own), Settings(**running)

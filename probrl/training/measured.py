"""How good the samples of a model are: statistics against data that it has not learned from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from probrl.errors import DataError
from probrl.nested import each
from probrl.statistics import compare, sliced_wasserstein, straightness
from probrl.training.callbacks import Evaluate, due
from probrl.training.dataset import FEWEST
from probrl.training.rest import at_rest
from probrl.training.settings import whole_number

SEED = 2_000_003  # added to the trainer's


@dataclass(frozen=True)
class Quality:
    """What was measured of samples.

    Attributes:
        sliced_wasserstein: how far they are from the data, in the units of the data.
        of_the_data: the same between two samples of the data: what perfect samples have.
        squared_mmd: the kernel distance.
        density, coverage: how many data lie around samples, and what share of the data has a sample near.
        straightness: of the way from noise, 1 for straight lines; nan where it is not known.
        points: how many samples.
        held_out: whether the data were none that were learned from.
    """

    sliced_wasserstein: float
    of_the_data: float
    squared_mmd: float
    density: float
    coverage: float
    straightness: float
    points: int
    held_out: bool

    def __str__(self) -> str:
        numbers = f"squared MMD {self.squared_mmd:.2g}, density {self.density:.2f}, coverage {self.coverage:.2f}"
        straight = "" if math.isnan(self.straightness) else f", straightness {self.straightness:.2f}"
        where = "held-out data" if self.held_out else "the data that were learned from"
        return (
            f"sliced Wasserstein {self.sliced_wasserstein:.3f} (two samples of the data: {self.of_the_data:.3f}), "
            f"{numbers}{straight}; {self.points} samples against {where}"
        )


def measure(trainer: Any, n: int = 2000, seed: int | None = None, **options: Any) -> Quality:
    """Samples at the conditions of held-out rows, compared with those rows; the learning goes on undisturbed.

    Args:
        trainer: whose.
        n: how many samples, at most as many as there are held-out rows.
        seed: of the noise; None derives one from the trainer's.
        options: of ``sample``: ``solver``, ``steps``.

    Errors:
        DataError for fewer samples than six.
    """
    parted, model = trainer.divided, trainer.averaged
    seed = trainer.settings.seed + SEED if seed is None else seed
    held = _first(parted.held, n, seed)
    rows = len(joint(held, model))
    if rows < FEWEST:
        raise DataError(f"a comparison takes {FEWEST} samples or more, got n={n} and {rows} rows")
    moved = {c: each(lambda x: x.to(trainer.settings.device), held[c]) for c in model.declaration.conditions}
    generator = Generator(trainer.settings.device).manual_seed(seed)
    with at_rest(trainer.model), torch.random.fork_rng(devices=[]), torch.no_grad():
        batch = {} if moved else {"n": rows}
        ways = model.sample(moved or None, trajectory=True, generator=generator, **batch, **options)
    way = joint(ways, model, 2)
    found = compare(way[-1].cpu(), joint(held, model))
    others = joint(_first(parted.train, rows, seed + 1), model)
    reference = sliced_wasserstein(others, joint(held, model), generator=Generator().manual_seed(seed))
    straight = float(straightness(way)) if way.is_floating_point() and len(way) > 1 else math.nan
    return Quality(**found, of_the_data=float(reference), straightness=straight, points=rows, held_out=parted.apart)


def joint(table: dict[str, Any], model: Any, lead: int = 1) -> Tensor:
    """The variables of a model as they are, or, of several, one after the other, flat."""
    values = [table[name] for name in model.declaration.variables]
    return values[0] if len(values) == 1 else torch.cat([v.flatten(lead).float() for v in values], -1)


def _first(table: dict[str, Any], n: int, seed: int) -> dict[str, Any]:
    """Rows of a table by chance, as they were, on the processor."""
    column: Any = next(iter(table.values()))
    while isinstance(column, dict):
        column = next(iter(column.values()))
    order = torch.randperm(len(column), generator=Generator().manual_seed(seed))[:n]
    return {name: each(lambda x: x[order.to(x.device)].cpu(), column) for name, column in table.items()}


class Measure(Evaluate):
    """Measures samples every so many steps, and keeps the weights that were nearest to the data.

    Adds the columns ``eval_sliced_wasserstein``, ``eval_coverage`` and ``eval_density`` to the metrics; the best are
    saved in the folder ``best`` of the run folder.

    Args:
        every: steps from one to the next.
        n: how many samples.
    """

    def __init__(self, every: int, n: int = 2000) -> None:
        super().__init__(every)
        self.n = whole_number("n", n)

    def begin(self, trainer: Any) -> None:
        """Nothing: every data set can be compared with."""

    def __call__(self, trainer: Any) -> None:
        """Measures where it is time to."""
        if not due(trainer, self.every):
            return
        found = trainer.agent.evaluate(self.n)
        self._distance = found.sliced_wasserstein
        names = ("sliced_wasserstein", "coverage", "density")
        trainer.metrics.update({f"eval_{name}": getattr(found, name) for name in names})

    def after(self, trainer: Any) -> None:
        """Saves the trainer if it is the best so far."""
        if "eval_sliced_wasserstein" not in trainer.metrics or -self._distance <= self.best:
            return
        self.best = -self._distance
        folder = trainer.agent.folder
        if folder is not None:
            trainer.agent.save(folder / "best")

"""The pictures of a generative model that a person wants to look at: samples, trajectories, the density, the flow."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Generator

from probrl.errors import ExpressionError
from probrl.nested import each
from probrl.pictures import animate, draw_density, draw_samples, draw_trajectories
from probrl.training.measured import joint
from probrl.training.rest import at_rest

POINTS, FRAMES, RESOLUTION = 2000, 40, 60
COARSE = 10  # steps to a density that is only looked at


def draw(trainer: Any, folder: Path) -> list[Path]:
    """Writes what can be drawn of a model's events, and gives the files.

    Args:
        trainer: a :class:`probrl.training.generative.GenerativeTrainer`.
        folder: is made if it does not exist.

    Errors:
        MissingExtraError without matplotlib.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model, held = trainer.averaged, trainer.divided.held
    data = joint(held, model)[:POINTS].cpu()
    given = {c: each(lambda x: x[:POINTS].to(trainer.settings.device), held[c]) for c in model.declaration.conditions}
    with at_rest(trainer.model), torch.random.fork_rng(devices=[]), torch.no_grad():
        way = _way(trainer, given, len(data))
        written = [draw_samples(way[-1][:64] if way.dim() == 5 else way[-1], data, folder / "samples.png")]
        size = way[0, 0].numel()
        if size <= 2 and way.dim() == 3:
            written.append(draw_trajectories(way, data, folder / "trajectories.png"))
            if not given:
                with suppress(ExpressionError):  # a model without a density says so
                    written.append(_density(model, data, folder / "density.png"))
        if size <= 2 or way.dim() == 5:
            shown = way[:, :32] if way.dim() == 5 else way[:, :1000]
            written.append(animate(shown[:: max(1, len(way) // FRAMES)], folder / "flow.gif", data))
    return [Path(path) for path in written]


def _way(trainer: Any, given: dict[str, Any], rows: int) -> Any:
    """States from noise to data, more than the model's own solver takes, so that the flow is smooth to look at."""
    generator = Generator(trainer.settings.device).manual_seed(trainer.settings.seed)
    model = trainer.averaged
    steps = max(FRAMES, getattr(model.solver, "steps", FRAMES))
    batch: dict[str, Any] = {} if given else {"n": rows}
    found = model.sample(given or None, steps=steps, trajectory=True, generator=generator, **batch)
    return joint(found, model, 2).cpu()


def _density(model: Any, data: Any, path: Path) -> Any:
    variable = model.declaration.variables[0]
    usual, *_ = model.likelihood_of(None, None)

    def log_prob(x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = model.get_log_prob(
            {variable: x.reshape(-1, *model.shapes[variable])}, solver=replace(usual, steps=COARSE)
        )
        return found

    return draw_density(log_prob, data, path, resolution=RESOLUTION)

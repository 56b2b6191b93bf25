"""Learning curves as pictures: of one run with everything it measured, and of several runs side by side."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from probrl.errors import DataError, MissingExtraError
from probrl.training.run import write_atomic
from probrl.training.runs import Run, labelled

Row = dict[str, float]

COLUMNS = 3
# what is no curve of its own: counts and clocks, and what belongs to a curve
ASIDE = {
    "timesteps",
    "iteration",
    "episodes",
    "seconds",
    "progress",
    "finite",
    "eval_return",
    "eval_std",
    "eval_length",
}
POINTS = 300  # at which the curves of several runs meet


@dataclass(frozen=True)
class Band:
    """A mean over runs with its interval.

    Attributes:
        steps: ``(G,)``.
        mean: ``(G,)``.
        low: ``(G,)``, where the bootstrap interval of the mean begins.
        high: ``(G,)``, where it ends.
    """

    steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def band(curves: Sequence[tuple[np.ndarray, np.ndarray]], level: float = 0.95, samples: int = 1000) -> Band:
    """The mean of curves over the steps that all of them have, with the interval of resampled runs.

    Args:
        curves: steps and values of each run.
        level: of the interval.
        samples: how many times the runs are resampled with replacement, whole.

    Errors:
        DataError if there are no steps that all of them have.
    """
    start, end = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
    if start > end:
        raise DataError("the runs have no steps in common: plot them one by one")
    grid = np.linspace(start, end, POINTS) if end > start else np.array([start])
    values = np.stack([np.interp(grid, steps, curve) for steps, curve in curves])
    draws = np.random.default_rng(0).integers(len(curves), size=(samples, len(curves)))
    weights = np.stack([(draws == i).mean(axis=1) for i in range(len(curves))], axis=1)
    low, high = np.quantile(weights @ values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Band(grid, values.mean(axis=0), low, high)


def learning_curve(rows: Sequence[Row], title: str, path: Path) -> Path:
    """Draws everything that a run measured, each metric over the steps of the environment.

    Args:
        rows: the metrics.
        title: what it was.
        path: where the picture goes.

    Errors:
        MissingExtraError without matplotlib.
    """
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in ASIDE]
    names = [name for name in names if series(rows, name)[0].size] or ["episode_return"]
    figure = _figure(COLUMNS, -(-len(names) // COLUMNS), 2.4)
    for i, name in enumerate(names):
        axes = figure.add_subplot(-(-len(names) // COLUMNS), COLUMNS, i + 1)
        axes.plot(*series(rows, name), linewidth=1.2)
        if name == "episode_return" and series(rows, "eval_return")[0].size:
            axes.plot(*series(rows, "eval_return"), "o-", markersize=3, linewidth=1, label="evaluation")
            axes.legend(fontsize=7, frameon=False)
        _dress(axes, name)
    figure.suptitle(title, fontsize=9, y=1 - 0.1 / figure.get_size_inches()[1])
    return _write(figure, path)


def compare(runs: Sequence[Run], metric: str, path: Path) -> Path:
    """Draws one metric of several runs: a panel per environment, a line per kind of run, the spread over its seeds.

    Args:
        runs: what is compared.
        metric: the name of a column of the metrics.
        path: where the picture goes.

    Errors:
        DataError for a metric that a run has not; MissingExtraError without matplotlib.
    """
    panels: dict[str, dict[str, list[tuple[np.ndarray, np.ndarray]]]] = {}
    for label, run in labelled(runs):
        curve = series(run.rows, metric)
        if not curve[0].size:
            known = sorted({name for row in run.rows for name in row} - {"timesteps"})
            known = [name for name in known if series(run.rows, name)[0].size]  # no episode ended yet: all are NaN
            raise DataError(f"{str(run.folder)!r} has no numbers called {metric!r}: there are {', '.join(known)}")
        panels.setdefault(run.env, {}).setdefault(label, []).append(curve)
    columns = min(len(panels), COLUMNS)
    figure = _figure(max(columns, 2), -(-len(panels) // columns), 3.6)
    for i, (env, kinds) in enumerate(panels.items()):
        axes = figure.add_subplot(-(-len(panels) // columns), columns, i + 1)
        for label, curves in kinds.items():
            found = band(curves)
            text = label if len(curves) == 1 else f"{label} ({len(curves)} runs)"
            [line] = axes.plot(found.steps, found.mean, linewidth=1.4, label=text)
            axes.fill_between(found.steps, found.low, found.high, color=line.get_color(), alpha=0.2, linewidth=0)
        _dress(axes, f"{env}: {metric}")
        axes.legend(fontsize=7, frameon=False)
    return _write(figure, path)


def series(rows: Sequence[Row], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a metric, where it is a number."""
    found = [(row["timesteps"], row[name]) for row in rows if math.isfinite(row.get(name, math.nan))]
    steps, values = zip(*found, strict=True) if found else ((), ())
    return np.array(steps, dtype=float), np.array(values, dtype=float)


def _figure(columns: int, lines: int, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a picture needs matplotlib: pip install 'probrl[plot]'") from error
    # a figure of its own, without pyplot: nothing is left behind in the process, and no window can open
    figure = Figure(figsize=(3.2 * columns, height * lines))
    # fixed margins: a layout engine draws everything several times
    width, tall = figure.get_size_inches()
    figure.subplots_adjust(0.5 / width, 0.45 / tall, 1 - 0.2 / width, 1 - 0.55 / tall, wspace=0.25, hspace=1.0 / height)
    return figure


def _dress(axes: Any, name: str) -> None:
    from matplotlib.ticker import EngFormatter

    axes.set_title(name.replace("_", " "), fontsize=8)
    axes.set_xlabel("steps", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 20k, 1M


def _write(figure: Any, path: Path) -> Path:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomic(path, picture.getvalue())
    return path

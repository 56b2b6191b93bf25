"""Learning curves and final returns, from the files that the benchmarks of returns write.

PPO's are `docs/curves/ENV.json`, those of another algorithm `docs/curves/NAME/ENV.json`: settings, and for each side by
seed the curve, the return of evaluations without noise, and the seconds.
"""

from __future__ import annotations

import json
import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probrl.pictures.figure import DATA, INK, MODEL, finished, line

ORDER = (
    "CartPole-v1", "Acrobot-v1", "Pendulum-v1", "LunarLander-v3", "BipedalWalker-v3", "HalfCheetah-v5", "Hopper-v5",
)  # fmt: skip
SIDES = {"ours": ("probrl", MODEL), "Stable-Baselines3": ("Stable-Baselines3", DATA)}
FIRST = "ppo"  # whose curves lie in the folder itself
HEAD = ("environment", "steps", "side", "seeds", "last 100 episodes", "evaluation", "CPU seconds")
SAID = (
    "Mean return of the last hundred training episodes, with the settings listed below. Where Stable-Baselines3 has the "
    "algorithm, it was run with the same settings for the same number of steps."
)
CAPTION = "Thin lines: single seeds. Thick lines: their mean."
POINTS = 200


@dataclass(frozen=True)
class Returns:
    """What one file says: the environment, the settings in words, the steps, and the runs of each side by seed."""

    env: str
    settings: str
    steps: int
    runs: dict[str, list[dict[str, Any]]]


def files(folder: Path, name: str) -> list[Path]:
    """The files of an algorithm, in the order of the environments."""
    place = folder if name == FIRST else folder / name
    known = {env: number for number, env in enumerate(ORDER)}
    return sorted(place.glob("*.json"), key=lambda file: (known.get(file.stem, len(known)), file.stem))


def read(file: Path) -> Returns:
    """What one file says."""
    kept = json.loads(file.read_text(encoding="utf-8"))
    settings = dict(kept["settings"])
    steps = int(settings.pop("steps"))
    runs = {side: list(kept[side].values()) for side in SIDES if kept.get(side)}
    return Returns(file.stem, ", ".join(f"{k}={v}" for k, v in settings.items()), steps, runs)


def settings(one: Returns) -> str:
    """What it was run with, in lines."""
    return textwrap.fill(f"{one.env}: {one.settings}", 84, subsequent_indent="    ")


def rows(read: Sequence[Returns]) -> list[tuple[str, ...]]:
    """Mean and deviation over seeds: of the last training episodes, of evaluations without noise, and the seconds."""
    found = []
    for one in read:
        for side, runs in one.runs.items():
            last, evaluation = (
                spread([f(run) for run in runs]) for f in (lambda r: r["returns"][-1], lambda r: r["evaluation"])
            )
            seconds = f"{statistics.fmean(run['seconds'] for run in runs):.0f}"
            found.append((one.env, f"{one.steps:,}", SIDES[side][0], str(len(runs)), last, evaluation, seconds))
    return found


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    return f"{statistics.fmean(values):.1f} ± {statistics.pstdev(values):.1f}"


def draw(read: Sequence[Returns], file: Path) -> Path:
    """A panel for each environment."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(2, len(read))
    height = -(-len(read) // columns)
    figure = Figure(
        figsize=(4.4 * columns + 0.6 * (columns == 1), 3.0 * height), facecolor="white", layout="constrained"
    )
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(height, columns, squeeze=False).flat)
    for axes, one in zip(panels, read, strict=False):
        for side, runs in one.runs.items():
            _side(axes, runs, *SIDES[side])
        line(axes, one.env)
        axes.spines["left"].set(visible=True, color="#d0d5da")
        axes.set_xlim(0, one.steps)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1e6:g}M" if x >= 1e6 else f"{x / 1e3:g}k" if x else "0")
        axes.set_xlabel("steps", fontsize=9, color=INK)
    for axes in panels[len(read) :]:
        axes.set_axis_off()
    panels[0].set_ylabel("return", fontsize=9, color=INK)
    panels[0].legend(frameon=False, fontsize=8, loc="best")
    return finished(figure, file)


def _side(axes: Any, runs: list[dict[str, Any]], name: str, colour: str) -> None:
    """A line for each seed, and the mean over the steps that all of them know."""
    import numpy as np

    for run in runs:
        axes.plot(run["timesteps"], run["returns"], color=colour, linewidth=0.7, alpha=0.4)
    first, last = max(r["timesteps"][0] for r in runs), min(r["timesteps"][-1] for r in runs)
    steps = np.linspace(first, last, POINTS)
    mean = np.mean([np.interp(steps, r["timesteps"], r["returns"]) for r in runs], axis=0)
    axes.plot(steps, mean, color=colour, linewidth=2, label=name)

"""``probrl plot RUN [RUN ...]``: learning curves of runs in one picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from probrl.cli.arguments import UsageError, parse
from probrl.errors import DataError
from probrl.training.plots import compare
from probrl.training.runs import read_run


@dataclass(frozen=True)
class Plot:
    """Draws the learning curves of runs: a panel per environment, a line per kind of run.

    Runs that differ only in their seed are one line: their mean, with its 95 % bootstrap interval.

    Args:
        run: folders of the runs.
        metric: column of the metrics.
        output: picture file to write; it must not exist yet.
    """

    run: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]", help_behavior_hint="")]
    metric: str = "episode_return"
    output: str = "learning_curves.png"


def plot(words: list[str]) -> None:
    """``probrl plot RUN [RUN ...] --metric ... --output ...``."""
    chosen = parse(Plot, words, "plot")
    if not chosen.run:
        raise UsageError("name the folder of the run, as in probrl plot runs/mine")
    target = Path(chosen.output)
    if target.exists():
        raise DataError(f"{chosen.output!r} exists: name another file with --output")
    compare([read_run(run) for run in chosen.run], chosen.metric, target)
    print(f"written to {target}")

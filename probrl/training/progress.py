"""What a person sees while an agent learns: a bar with a table below it in a terminal, nothing elsewhere."""

from __future__ import annotations

import math
import sys
from types import TracebackType
from typing import Any

# what is measured of the episodes comes first, under the words that people use
FIRST = {"episode_return": "return", "episode_length": "length", "episodes": "episodes", "eval_return": "evaluation"}
ASIDE = {"timesteps", "iteration", "seconds", "steps_per_second", "progress", "finite", "eval_std", "eval_length"}
CELL = 30  # columns that a name and its number take


class ProgressBar:
    """How far the learning is, its speed, the time that is left, and every metric; silent when not shown.

    Args:
        total: steps at which it is full.
        done: steps at which it begins.
        shown: True or False; None shows it when standard error is a terminal.
    """

    def __init__(self, total: int, done: int = 0, shown: bool | None = None) -> None:
        self._live: Any = None
        self._row: dict[str, float] = {}
        if sys.stderr.isatty() if shown is None else shown:
            self._bar = _bar()
            self._task = self._bar.add_task("learn", total=total, completed=done, speed=0.0)
            self._console = _console()
            self._live = _live(self)

    def update(self, done: int, row: dict[str, float]) -> None:
        """Shows how far it is, and the newest metrics."""
        if self._live is not None:
            self._row = {**self._row, **row}  # an evaluation stays until the next one
            self._bar.update(self._task, completed=done, speed=row.get("steps_per_second", 0.0))

    def __rich__(self) -> Any:
        """The picture of now, asked for by rich a few times a second."""
        from rich.console import Group

        return Group(self._bar, _table(metrics(self._row), max(self._console.width // CELL, 1)))

    def __enter__(self) -> ProgressBar:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()


def metrics(row: dict[str, float]) -> dict[str, str]:
    """The metrics of a row as words, those of episodes first; what is no number yet is left out.

    Example:
        >>> metrics({"timesteps": 64, "episode_return": 21.3, "policy": 0.0123, "value": 2.0, "eval_return": 1500.0})
        {'return': '21.3', 'evaluation': '1500.0', 'policy': '0.0123', 'value': '2'}
    """
    found = {label: row[name] for name, label in FIRST.items() if not math.isnan(row.get(name, math.nan))}
    words = {label: f"{value:.0f}" if label == "episodes" else f"{value:.1f}" for label, value in found.items()}
    rest = {name: value for name, value in row.items() if name not in FIRST and name not in ASIDE}
    return {**words, **{name.replace("_", " "): f"{value:.3g}" for name, value in rest.items()}}


def _bar() -> Any:
    # rich costs a tenth of a second to import, so only who sees the bar pays
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.completed:,}/{task.total:,} steps  {task.fields[speed]:,.0f}/s "),
        TimeElapsedColumn(),
        TextColumn("<"),
        TimeRemainingColumn(compact=True),
    )


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def _live(shown: Any) -> Any:
    from rich.live import Live

    return Live(get_renderable=shown.__rich__, console=shown._console, refresh_per_second=4)


def _table(words: dict[str, str], columns: int) -> Any:
    """Names and numbers, filled column by column so that what belongs together stands together."""
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    for _ in range(columns):
        table.add_column(style="dim", width=19, no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", width=9, no_wrap=True)
    pairs = list(words.items())
    lines = -(-len(pairs) // columns)
    for line in range(lines):
        table.add_row(*(text for pair in pairs[line::lines] for text in pair))
    return table

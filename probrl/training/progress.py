"""What a person sees while an agent learns: one live line in a terminal, nothing elsewhere."""

from __future__ import annotations

import math
import sys
from types import TracebackType
from typing import Any

HEADLINE = {"episode_return": "return", "episode_length": "length", "steps_per_second": "steps/s"}
ASIDE = {"timesteps", "iteration", "episodes", "seconds", "progress", "finite", "loss", "grad_norm", "log_ratio"}
BAR = 34  # columns of the bar, the share and the time that is left


class ProgressBar:
    """A live line with returns, speed, loss terms and the time that is left; silent when not shown.

    Args:
        total: steps at which it is full.
        done: steps at which it begins.
        shown: True or False; None shows it when standard error is a terminal.
    """

    def __init__(self, total: int, done: int = 0, shown: bool | None = None) -> None:
        self._bar: Any = None
        if sys.stderr.isatty() if shown is None else shown:
            self._bar = _rich_bar()
            self._task = self._bar.add_task("learn", total=total, completed=done, facts="")

    def update(self, done: int, row: dict[str, float]) -> None:
        """Shows how far it is, and the newest metrics."""
        if self._bar is not None:
            room = self._bar.console.width - BAR
            self._bar.update(self._task, completed=done, facts=facts(row, room))

    def __enter__(self) -> ProgressBar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _rich_bar() -> Any:
    # rich costs a tenth of a second to import, so only who sees the bar pays
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        BarColumn(bar_width=16),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[facts]}"),
        console=Console(stderr=True),
        refresh_per_second=4,
    )


def facts(row: dict[str, float], room: int) -> str:
    """The newest metrics as words, as many as there is room for.

    Example:
        >>> facts({"episode_return": 21.3, "policy": 0.0123, "value": 2.0}, room=40)
        'return 21  policy 0.0123  value 2'
        >>> facts({"episode_return": 21.3, "policy": 0.0123, "value": 2.0}, room=26)
        'return 21  policy 0.0123'
    """
    parts = [f"{label} {row[name]:.0f}" for name, label in HEADLINE.items() if not math.isnan(row.get(name, math.nan))]
    parts += [f"{name} {value:.3g}" for name, value in row.items() if name not in HEADLINE and name not in ASIDE]
    line = ""
    for part in parts:
        longer = f"{line}  {part}" if line else part
        if len(longer) > room:
            break
        line = longer
    return line

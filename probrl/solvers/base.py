"""The base of all solvers: how many steps, over which grid of times, and the numbers of each step."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from probrl.errors import DataError
from probrl.solvers.grids import GRIDS
from probrl.solvers.schedule import Schedule
from probrl.solvers.scheme import Array, Scheme


@dataclass(frozen=True)
class Solver:
    """A fixed-step solver of the flow, or of a reverse process, from noise at t = 1 to data at t = 0.

    Args:
        steps: how many.
        grid: how the times are spaced: "uniform", "quadratic", "angle", "log_snr" or "edm"; None is the usual one of the
            path ("quadratic" for bridges), else the solver's own choice.

    Errors:
        DataError for a number of steps below 1, or a grid that is none.

    Example:
        >>> import probrl as pr
        >>> pr.solvers.Heun(steps=4, grid="quadratic").times(pr.paths.Linear())
        array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])
    """

    steps: int = 10
    grid: str | None = None

    order: ClassVar[int] = 1
    target: ClassVar[str] = "velocity"
    usual: ClassVar[str] = "uniform"
    gaussian_only: ClassVar[bool] = (
        False  # whether it needs a path's alpha and sigma, so that a bridge has no use for it
    )

    @classmethod
    def examples(cls) -> tuple[Solver, ...]:
        """The variants that the laws are to hold for."""
        return (cls(),)

    @property
    def stochastic(self) -> bool:
        """Whether a step adds noise."""
        return False

    @property
    def said(self) -> str:
        """What it is, for a page: its name, its steps, and what differs from what is usual."""
        other = [f for f in fields(self) if f.name != "steps" and getattr(self, f.name) != f.default]
        return ", ".join([f"{type(self).__name__} {self.steps}", *(f"{f.name} {getattr(self, f.name)}" for f in other)])

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise DataError(
                f"pr.solvers.{type(self).__name__}(steps={self.steps!r}): steps is a whole number from 1 on"
            )
        if self.grid is not None and (not isinstance(self.grid, str) or self.grid not in GRIDS):
            raise DataError(
                f"pr.solvers.{type(self).__name__}(grid={self.grid!r}): the grids are {', '.join(map(repr, GRIDS))}; times of your own "
                "are given where it solves, as in sample(grid=[1.0, 0.5, 0.1])"
            )

    def times(self, schedule: Schedule, first: float = 1.0, last: float = 0.0) -> Array:
        """The grid, ``(steps + 1,)``, from one time to another.

        Errors:
            DataError for ends that are no times, or are equal.
        """
        if not (0 <= first <= 1 and 0 <= last <= 1) or first == last:
            raise DataError(f"a grid goes from one time in [0, 1] to another, not from {first} to {last}")
        grid: str = getattr(schedule, "usual_grid", self.usual) if self.grid is None else self.grid
        return GRIDS[grid](schedule, first, last, self.steps)

    def scheme(self, schedule: Schedule, times: Array) -> Scheme:
        """The numbers of every step of a grid."""
        raise NotImplementedError


def ones(times: Array) -> Array:
    """1 for each step."""
    return np.ones(len(times) - 1)


def between(times: Array) -> tuple[Array, Array, Array]:
    """The beginnings, the ends and the lengths of the steps; going towards data, lengths are negative."""
    return times[:-1], times[1:], np.diff(times)


def own_times(times: Any) -> Array:
    """A user's grid.

    Errors:
        DataError unless it is a strictly monotone sequence of at least two times in [0, 1].

    Example:
        >>> own_times([1, 0.5, 0])
        array([1. , 0.5, 0. ])
    """
    try:
        found = np.asarray([float(x) for x in times], dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"grid={times!r}: a grid is a sequence of times in [0, 1]") from None
    steps = np.diff(found)
    if len(found) < 2 or found.min() < 0 or found.max() > 1 or not ((steps < 0).all() or (steps > 0).all()):
        raise DataError(
            f"grid={list(times)}: a grid is at least two times in [0, 1], all falling (samples) or all rising (densities)"
        )
    return found

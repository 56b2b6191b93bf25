"""Grids of times, from a noisier one to a cleaner one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from probrl.solvers.schedule import Array, Schedule, values

RHO = 7.0  # of the grid of Karras et al.


def uniform(schedule: Schedule, first: float, last: float, steps: int) -> Array:
    """Equal steps of time."""
    return np.linspace(first, last, steps + 1)


def quadratic(schedule: Schedule, first: float, last: float, steps: int) -> Array:
    """Equal steps of the root of time: finer near data. Source: Song, Meng and Ermon 2021, appendix D.2."""
    return np.linspace(first**0.5, last**0.5, steps + 1) ** 2


def angle(schedule: Schedule, first: float, last: float, steps: int) -> Array:
    """Of the angle whose tangent is sigma / alpha, steps that are shorter near data and near noise (as Chebyshev's points)."""
    low, high = np.arctan(np.exp(-_at(schedule, first, last)))
    share = np.sin(np.linspace(0, np.pi / 2, steps + 1)) ** 2
    inside = low + (high - low) * share[1:-1]
    return np.array([first, *values(schedule.time_of, -np.log(np.tan(inside))), last])


def log_snr(schedule: Schedule, first: float, last: float, steps: int) -> Array:
    """Equal steps of the logarithm of alpha / sigma. Source: Lu et al. 2022, section 4.2."""
    low, high = _inside(schedule, first, last, steps)
    found = values(schedule.time_of, np.linspace(low, high, steps + 1))
    found[0], found[-1] = first, last
    return found


def edm(schedule: Schedule, first: float, last: float, steps: int) -> Array:
    """Equal steps of the seventh root of sigma / alpha. Source: Karras et al. 2022, equation 5."""
    ends = np.exp(-_inside(schedule, first, last, steps) / RHO)
    found = values(schedule.time_of, -RHO * np.log(np.linspace(ends[0], ends[1], steps + 1)))
    found[0], found[-1] = first, last
    return found


def _inside(schedule: Schedule, first: float, last: float, steps: int) -> Array:
    """The log-SNR at both ends, held where the step that leads to the end itself errs no more than a method of order 2."""
    bound = 1.3 + np.log(steps)
    return np.clip(_at(schedule, first, last), -bound, bound)


def _at(schedule: Schedule, first: float, last: float) -> Array:
    """The log-SNR at both ends, which may be infinite."""
    with np.errstate(all="ignore"):
        return values(schedule.half_log_snr, np.array([first, last]))


GRIDS: dict[str, Callable[..., Array]] = {f.__name__: f for f in (uniform, quadratic, angle, log_snr, edm)}

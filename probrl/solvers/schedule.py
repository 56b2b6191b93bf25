"""What a solver sees of a path, and its values in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch

Array = np.ndarray[Any, Any]


class Schedule(Protocol):
    """The functions of time that a solver needs from a path, in double precision.

    Example:
        >>> import probrl as pr
        >>> path: Schedule = pr.paths.Linear()
        >>> path.alpha(0.25), path.sigma(0.25)
        (0.75, 0.25)
    """

    def alpha(self, t: Any) -> Any:
        """The coefficient of the data in x_t."""

    def sigma(self, t: Any) -> Any:
        """The standard deviation of the noise in x_t."""

    def half_log_snr(self, t: Any) -> Any:
        """The logarithm of alpha / sigma."""

    def time_of(self, half_log_snr: Any) -> Any:
        """The time at which a path has a given ``half_log_snr``."""

    def reverse_noise(self, t: Any, kind: Any = None) -> Any:
        """The square of the noise that a reverse process adds per unit of time."""


def values(function: Callable[[Any], Any], t: Array) -> Array:
    """A function of a path at times."""
    return np.asarray(function(torch.from_numpy(np.ascontiguousarray(t, dtype=np.float64))).numpy())

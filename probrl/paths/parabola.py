"""A path that keeps the data for long."""

from __future__ import annotations

from probrl.paths.gaussian import GaussianPath
from probrl.paths.time import t


class Parabola(GaussianPath):
    r"""alpha = 1 - t^2, sigma = t: noise is added at a constant rate, and the data fade late.

    Example:
        >>> import probrl as pr
        >>> pr.paths.Parabola().alpha(0.5)
        0.75
    """

    def __init__(self, **options: float):
        super().__init__(1 - t**2, t, **options)

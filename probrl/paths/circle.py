"""A variance-preserving path on which the data fades at a constant rate."""

from __future__ import annotations

import sympy

from probrl.paths.gaussian import GaussianPath
from probrl.paths.time import t


class Circle(GaussianPath):
    r"""alpha = 1 - t, sigma = sqrt(1 - alpha^2): a quarter circle with the data coefficient of the linear path.

    Example:
        >>> import probrl as pr
        >>> pr.paths.Circle().diffusion(0.5)
        4.0
    """

    def __init__(self, **options: float):
        super().__init__(1 - t, sympy.sqrt(t * (2 - t)), **options)

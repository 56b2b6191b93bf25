"""The trigonometric variance-preserving path."""

from __future__ import annotations

import sympy

from probrl.paths.gaussian import GaussianPath
from probrl.paths.time import t


class GVP(GaussianPath):
    r"""alpha = cos(pi t / 2), sigma = sin(pi t / 2).

    Source:
        Albergo et al., "Stochastic interpolants", 2023.

    Example:
        >>> import probrl as pr
        >>> round(pr.paths.GVP().half_log_snr(0.5), 12)
        0.0
    """

    def __init__(self, **options: float):
        super().__init__(sympy.cos(sympy.pi * t / 2), sympy.sin(sympy.pi * t / 2), **options)

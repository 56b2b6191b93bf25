"""A variance-preserving path along which the log-SNR falls at a constant rate."""

from __future__ import annotations

import sympy

from probrl.paths.gaussian import GaussianPath
from probrl.paths.time import t


class UniformSNR(GaussianPath):
    r"""ln(alpha / sigma) = l_0 - t (l_0 + l_1) with alpha^2 + sigma^2 = 1.

    A uniform time is then a uniform log-SNR: the maximum-likelihood weight is the constant 2 (l_0 + l_1).

    Args:
        l_0: the log-ratio of data to noise at t = 0.
        l_1: the log-ratio of noise to data at t = 1.

    Example:
        >>> import probrl as pr
        >>> round(pr.paths.UniformSNR().weight(0.3, "likelihood"), 9)
        20.0
    """

    def __init__(self, l_0: float = 5.0, l_1: float = 5.0, **options: float):
        first, last = sympy.symbols("l_0 l_1", positive=True)
        ratio = first - t * (first + last)
        alpha, sigma = (1 / sympy.sqrt(1 + sympy.exp(sign * 2 * ratio)) for sign in (-1, 1))
        super().__init__(alpha, sigma, l_0=l_0, l_1=l_1, **options)

"""The variance-preserving diffusion with a linear rate."""

from __future__ import annotations

import sympy

from probrl.paths.gaussian import GaussianPath
from probrl.paths.time import t


class LinearVP(GaussianPath):
    r"""alpha = exp(-t^2 (beta_1 - beta_0) / 4 - t beta_0 / 2), sigma = sqrt(1 - alpha^2).

    Source:
        Song et al., "Score-based generative modeling through stochastic differential equations", 2021.

    Example:
        >>> import probrl as pr
        >>> round(pr.paths.LinearVP().diffusion(0.5), 9)
        10.05
    """

    def __init__(self, beta_0: float = 0.1, beta_1: float = 20.0, **options: float):
        b0, b1 = sympy.symbols("beta_0 beta_1", positive=True)
        alpha = sympy.exp(-(t**2) * (b1 - b0) / 4 - t * b0 / 2)
        super().__init__(alpha, sympy.sqrt(1 - alpha**2), beta_0=beta_0, beta_1=beta_1, **options)

"""The variance-exploding diffusion."""

from __future__ import annotations

import sympy

from probrl.paths.gaussian import GaussianPath
from probrl.paths.time import t


class VE(GaussianPath):
    r"""alpha = 1, sigma = sigma_min (sigma_max / sigma_min)^t.

    Source:
        Song et al., "Score-based generative modeling through stochastic differential equations", 2021.

    Example:
        >>> import probrl as pr
        >>> pr.paths.VE(sigma_min=0.01, sigma_max=100.0).sigma(0.5)
        1.0
    """

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0, **options: float):
        least, most = sympy.symbols("sigma_min sigma_max", positive=True)
        super().__init__(1, least * (most / least) ** t, sigma_min=sigma_min, sigma_max=sigma_max, **options)

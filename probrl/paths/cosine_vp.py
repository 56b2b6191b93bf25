"""The cosine schedule of improved diffusion models, in continuous time."""

from __future__ import annotations

import sympy

from probrl.paths.gaussian import GaussianPath
from probrl.paths.time import t


class CosineVP(GaussianPath):
    r"""alpha = cos(pi/2 (t + s) / (1 + s)) / cos(pi/2 s / (1 + s)), sigma = sqrt(1 - alpha^2).

    Source:
        Nichol and Dhariwal, "Improved denoising diffusion probabilistic models", 2021.

    Example:
        >>> import probrl as pr
        >>> pr.paths.CosineVP().alpha(0.0)
        1.0
    """

    def __init__(self, s: float = 0.008, **options: float):
        shift = sympy.Symbol("s", positive=True)
        quarter = sympy.pi / 2 / (1 + shift)
        alpha = sympy.cos(quarter * (t + shift)) / sympy.cos(quarter * shift)
        super().__init__(alpha, sympy.sqrt(1 - alpha**2), s=s, **options)

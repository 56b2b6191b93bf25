"""EDM's noise levels, mapped onto [0, 1]."""

from __future__ import annotations

import sympy

from probrl.paths.gaussian import GaussianPath
from probrl.paths.time import t


class EDM(GaussianPath):
    r"""alpha = 1, sigma = (sigma_min^(1/rho) + t (sigma_max^(1/rho) - sigma_min^(1/rho)))^rho.

    Equal steps of t are the noise levels at which EDM's samplers evaluate.

    Source:
        Karras et al., "Elucidating the design space of diffusion-based generative models", 2022.

    Example:
        >>> import probrl as pr
        >>> round(pr.paths.EDM().sigma(1.0), 9)
        80.0
    """

    def __init__(self, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0, **options: float):
        least, most, power = sympy.symbols("sigma_min sigma_max rho", positive=True)
        low, high = least ** (1 / power), most ** (1 / power)
        super().__init__(
            1, (low + t * (high - low)) ** power, sigma_min=sigma_min, sigma_max=sigma_max, rho=rho, **options
        )

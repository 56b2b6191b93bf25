"""The straight path of rectified flows."""

from __future__ import annotations

from probrl.paths.gaussian import GaussianPath
from probrl.paths.time import t


class Linear(GaussianPath):
    r"""alpha = 1 - t, sigma = t: the velocity is noise minus data.

    Source:
        Liu et al., "Flow straight and fast: rectified flow", 2022; Lipman et al., "Flow matching", 2023.

    Example:
        >>> import probrl as pr
        >>> pr.paths.Linear().time_of(0.0)
        0.5
    """

    def __init__(self, **options: float):
        super().__init__(1 - t, t, **options)

"""Features of a time: what a network is told of t."""

from __future__ import annotations

import math
from abc import ABC

import torch
from torch import Tensor, nn

from probrl.errors import DataError


class TimeEncoder(nn.Module, ABC):
    r"""Cosines and sines of t at several angular frequencies.

    .. math:: \gamma(t) = (\cos \omega_1 t, \dots, \cos \omega_m t, \sin \omega_1 t, \dots, \sin \omega_m t)

    Shapes:
        (B,) to (B, size), size = 2m.

    Errors:
        DataError unless ``size`` is a positive even number.
    """

    frequencies: Tensor

    def __init__(self, size: int):
        super().__init__()
        if isinstance(size, bool) or not isinstance(size, int) or size < 2 or size % 2:
            raise DataError(f"a time encoder gives cosines and sines: size is a positive even number, got {size!r}")
        self.size = size

    def forward(self, t: Tensor) -> Tensor:
        """The features of each time."""
        angles = t.unsqueeze(-1) * self.frequencies
        return torch.cat([angles.cos(), angles.sin()], -1)


class SinusoidalTime(TimeEncoder):
    r"""Frequencies in a geometric sequence, :math:`\omega_k = s\, P^{-(k - 1) / (m - 1)}`.

    The fastest wave turns about five times between data and noise. Faster ones let a network say something else at every
    time, between the times at which it was trained: samples of few steps are then of the noise in that. With the thousand
    radians of Ho et al., whose time counts 1000 steps, DPM-Solver's 15 steps left the Swiss roll at twice the distance of
    two samples of it, with 30 at 1.2 times; with 10 or 100 samples were farther away again.

    Args:
        size: how many features.
        scale: the highest frequency s, in radians per unit of time.
        period: P, the highest frequency over the lowest.

    Shapes:
        (B,) to (B, size).

    Source:
        Vaswani et al., "Attention is all you need", 2017; for diffusion Ho et al., 2020, whose time runs to 1000.

    Example:
        >>> SinusoidalTime(32)(torch.rand(5)).shape
        torch.Size([5, 32])
    """

    def __init__(self, size: int = 64, scale: float = 30.0, period: float = 10_000.0):
        super().__init__(size)
        if not (scale > 0 and period > 0):
            raise DataError(f"scale and period of a time encoder are positive; got {scale!r}, {period!r}")
        half = size // 2
        exponents = torch.arange(half, dtype=torch.float64) / max(half - 1, 1)
        self.register_buffer("frequencies", (scale * period**-exponents).float(), persistent=False)


class FourierTime(TimeEncoder):
    r"""Frequencies drawn once and held, :math:`\omega_k = 2 \pi b_k,\; b_k \sim \mathcal{N}(0, s^2)`.

    Args:
        size: how many features.
        scale: the standard deviation s, in periods per unit of time.
        generator: draws the frequencies; they are stored with the network.

    Shapes:
        (B,) to (B, size).

    Source:
        Tancik et al., "Fourier features let networks learn high frequency functions", 2020; Song et al., 2021.

    Example:
        >>> FourierTime(32)(torch.rand(5)).shape
        torch.Size([5, 32])
    """

    def __init__(self, size: int = 64, scale: float = 16.0, generator: torch.Generator | None = None):
        super().__init__(size)
        drawn = torch.randn(size // 2, generator=generator) * scale
        self.register_buffer("frequencies", 2 * math.pi * drawn)


class LearnedTime(TimeEncoder):
    r"""Frequencies that are learned, :math:`\omega_k = 2 \pi w_k`, which start as draws from :math:`\mathcal{N}(0, s^2)`.

    Args:
        size: how many features.
        scale: the standard deviation s of the start, in periods per unit of time.

    Shapes:
        (B,) to (B, size).

    Source:
        Li et al., "Learnable Fourier features for multi-dimensional spatial positional encoding", 2021, as in IDQL.

    Example:
        >>> LearnedTime(32).frequencies.requires_grad  # a parameter
        True
    """

    def __init__(self, size: int = 64, scale: float = 1.0):
        super().__init__(size)
        self.weight = nn.Parameter(torch.randn(size // 2) * scale)

    @property
    def frequencies(self) -> Tensor:  # type: ignore[override]
        """In radians per unit of time."""
        return 2 * math.pi * self.weight

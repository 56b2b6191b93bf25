"""A ring of Gaussians."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from probrl.data.toys.base import Toy, choice, count, jitter, length, polar


@dataclass(frozen=True)
class EightGaussians(Toy):
    r"""Equally likely Gaussians on a circle.

    .. math:: p(x) = \frac{1}{K} \sum_{k=0}^{K-1} \mathcal{N}\!\left(x;\, r (\cos \tfrac{2 \pi k}{K}, \sin \tfrac{2 \pi k}{K}),\,
        \sigma^2 I\right)

    The condition is the Gaussian, one-hot.

    Args:
        radius: r.
        noise: the standard deviation of each Gaussian.
        modes: K.

    Shapes:
        x (n, 2), c (n, modes).

    Source:
        Grathwohl et al., "FFJORD: free-form continuous dynamics for scalable reversible generative models", 2019.

    Example:
        >>> x, c = EightGaussians().draw(5, None)
        >>> x.shape, c.shape
        (torch.Size([5, 2]), torch.Size([5, 8]))
    """

    radius: float = 2.0
    noise: float = 0.2
    modes: int = 8

    def __post_init__(self) -> None:
        length("radius", self.radius)
        length("noise", self.noise)
        count("modes", self.modes)

    @property
    def condition_size(self) -> int:  # type: ignore[override]
        """How many Gaussians there are."""
        return self.modes

    def draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """A Gaussian, then a point of it."""
        mode, c = choice(n, self.modes, generator)
        centre = polar(torch.full((n,), float(self.radius)), 2 * math.pi * mode / self.modes)
        return jitter(centre, self.noise, generator), c

    def log_prob(self, x: Tensor) -> Tensor:
        """The log-density of points (..., 2): (...), in nats."""
        mode = torch.arange(self.modes, dtype=x.dtype)
        centres = polar(torch.full_like(mode, self.radius), 2 * math.pi * mode / self.modes)
        squares = (x.unsqueeze(-2) - centres).square().sum(-1)
        return torch.logsumexp(-squares / (2 * self.noise**2), -1) - math.log(2 * math.pi * self.noise**2 * self.modes)

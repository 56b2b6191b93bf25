"""Bent Gaussian vanes about a centre."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from probrl.data.toys.base import Toy, choice, count, length


@dataclass(frozen=True)
class Pinwheel(Toy):
    r"""Gaussians along rays, rotated more the farther out they are.

    .. math:: x = 1.4\, R\!\left(\tfrac{2 \pi k}{K} + \tfrac14 e^{z_1}\right) z, \qquad
        z_1 \sim \mathcal{N}(1, 0.3^2), \quad z_2 \sim \mathcal{N}(0, s^2)

    The condition is the vane k, one-hot.

    Args:
        vanes: K.
        noise: s, the breadth of a vane before scaling.

    Shapes:
        x (n, 2), c (n, vanes).

    Source:
        Johnson et al., "Composing graphical models with neural networks for structured representations and fast
        inference", 2016.

    Example:
        >>> x, c = Pinwheel().draw(5, None)
        >>> x.shape, c.shape
        (torch.Size([5, 2]), torch.Size([5, 5]))
    """

    vanes: int = 5
    noise: float = 0.1

    def __post_init__(self) -> None:
        count("vanes", self.vanes)
        length("noise", self.noise)

    @property
    def condition_size(self) -> int:  # type: ignore[override]
        """How many vanes there are."""
        return self.vanes

    def draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """A vane, then a point in it."""
        vane, c = choice(n, self.vanes, generator)
        along, across = torch.randn(2, n, generator=generator)
        along, across = 1 + 0.3 * along.clamp(-4, 4), self.noise * across
        angle = 2 * math.pi * vane / self.vanes + 0.25 * along.exp()
        x, y = angle.cos() * along - angle.sin() * across, angle.sin() * along + angle.cos() * across
        return 1.4 * torch.stack([x, y], -1), c

"""The Swiss roll."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from probrl.data.toys.base import Toy, jitter, length, polar, uniform


@dataclass(frozen=True)
class SwissRoll(Toy):
    r"""A single spiral arm of one and a half turns.

    .. math:: x = \frac{2}{3 \pi / 2 \cdot 3} \varphi\, (\cos \varphi, \sin \varphi) + \text{noise}, \qquad
        \varphi = \tfrac{3 \pi}{2} (2 + c), \quad c \sim \mathcal{U}(-1, 1)

    The radius runs from 2/3 to 2; the condition is the position c along the arm.

    Args:
        noise: standard deviation of the noise.

    Shapes:
        x (n, 2), c (n, 1).

    Source:
        The planar form of Marsland, "Machine learning: an algorithmic perspective", 2009.

    Example:
        >>> x, c = SwissRoll().draw(5, None)
        >>> x.shape, c.shape
        (torch.Size([5, 2]), torch.Size([5, 1]))
    """

    noise: float = 0.05
    condition_size = 1

    def __post_init__(self) -> None:
        length("noise", self.noise)

    def draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Points along the arm."""
        c = uniform(n, generator, -1.0, 1.0)
        return jitter(polar(2 * (2 + c) / 3, 1.5 * math.pi * (2 + c)), self.noise, generator), c.unsqueeze(-1)

"""Two half circles that reach into each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from probrl.data.toys.base import Toy, choice, jitter, length, polar, uniform


@dataclass(frozen=True)
class TwoMoons(Toy):
    """Half circles of radius 4/3: one about (-2/3, -1/3) that opens downwards, its image through the origin upwards.

    The condition is the moon, one-hot.

    Args:
        noise: standard deviation of the noise.

    Shapes:
        x (n, 2), c (n, 2).

    Source:
        As in scikit-learn's ``make_moons``, centred and scaled by 4/3.

    Example:
        >>> x, c = TwoMoons().draw(5, None)
        >>> x.shape, c.shape
        (torch.Size([5, 2]), torch.Size([5, 2]))
    """

    noise: float = 0.1
    condition_size = 2

    def __post_init__(self) -> None:
        length("noise", self.noise)

    def draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Points on the upper moon, every one of the lower mirrored."""
        moon, c = choice(n, 2, generator)
        upper = polar(torch.ones(n), uniform(n, generator, 0.0, math.pi)) - torch.tensor([0.5, 0.25])
        x = torch.where(moon.unsqueeze(-1) == 0, upper, -upper)
        return jitter(4 / 3 * x, self.noise, generator), c

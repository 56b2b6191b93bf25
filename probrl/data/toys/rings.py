"""Circles about one point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from probrl.data.toys.base import Toy, choice, count, jitter, length, polar, uniform


@dataclass(frozen=True)
class Rings(Toy):
    """Equally likely concentric circles, equally spaced up to radius 2.4: by default 0.6, 1.2, 1.8 and 2.4.

    The condition is the circle, one-hot, from the inside.

    Args:
        circles: how many there are.
        noise: standard deviation of the noise.

    Shapes:
        x (n, 2), c (n, circles).

    Source:
        Grathwohl et al., "FFJORD: free-form continuous dynamics for scalable reversible generative models", 2019.

    Example:
        >>> x, c = Rings().draw(5, None)
        >>> x.shape, c.shape
        (torch.Size([5, 2]), torch.Size([5, 4]))
    """

    circles: int = 4
    noise: float = 0.05

    def __post_init__(self) -> None:
        count("circles", self.circles)
        length("noise", self.noise)

    @property
    def condition_size(self) -> int:  # type: ignore[override]
        """How many circles there are."""
        return self.circles

    def draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """A circle, then a point on it."""
        circle, c = choice(n, self.circles, generator)
        radius = 2.4 * (circle + 1) / self.circles
        return jitter(polar(radius, uniform(n, generator, 0.0, 2 * math.pi)), self.noise, generator), c

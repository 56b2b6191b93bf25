"""Spirals that turn about each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from probrl.data.toys.base import Toy, choice, count, jitter, length, polar, uniform


@dataclass(frozen=True)
class Spirals(Toy):
    r"""Evenly spaced spiral arms of one and a half turns each.

    .. math:: x = 2.4 \sqrt{u}\, (\cos \varphi, \sin \varphi) + \text{noise}, \qquad
        \varphi = 3 \pi \sqrt{u} + \tfrac{2 \pi k}{K}, \quad u \sim \mathcal{U}(0, 1)

    The condition is the arm k, one-hot.

    Args:
        arms: K.
        noise: standard deviation of the noise.

    Shapes:
        x (n, 2), c (n, arms).

    Source:
        Grathwohl et al., "FFJORD: free-form continuous dynamics for scalable reversible generative models", 2019.

    Example:
        >>> x, c = Spirals().draw(5, None)
        >>> x.shape, c.shape
        (torch.Size([5, 2]), torch.Size([5, 2]))
    """

    arms: int = 2
    noise: float = 0.07

    def __post_init__(self) -> None:
        count("arms", self.arms)
        length("noise", self.noise)

    @property
    def condition_size(self) -> int:  # type: ignore[override]
        """How many arms there are."""
        return self.arms

    def draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """An arm, then a point on it; the root makes points as dense outside as inside."""
        arm, c = choice(n, self.arms, generator)
        out = uniform(n, generator).sqrt()
        return jitter(polar(2.4 * out, 3 * math.pi * out + 2 * math.pi * arm / self.arms), self.noise, generator), c

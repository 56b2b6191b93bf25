"""The dark squares of a board."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from probrl.data.toys.base import Toy, choice
from probrl.errors import DataError


@dataclass(frozen=True)
class Checkerboard(Toy):
    """Uniform on every other square of a board on [-2, 2] x [-2, 2].

    The condition is the square, one-hot, row by row from the lower left.

    Args:
        cells: squares per side, even.

    Shapes:
        x (n, 2), c (n, cells * cells / 2).

    Source:
        Grathwohl et al., "FFJORD: free-form continuous dynamics for scalable reversible generative models", 2019.

    Example:
        >>> x, c = Checkerboard().draw(5, None)
        >>> x.shape, c.shape
        (torch.Size([5, 2]), torch.Size([5, 8]))
    """

    cells: int = 4

    def __post_init__(self) -> None:
        if isinstance(self.cells, bool) or not isinstance(self.cells, int) or self.cells < 2 or self.cells % 2:
            raise DataError(f"cells is a positive even number; got {self.cells!r}")

    @property
    def condition_size(self) -> int:  # type: ignore[override]
        """How many dark squares there are."""
        return self.cells**2 // 2

    def draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """A square, then a point in it."""
        square, c = choice(n, self.condition_size, generator)
        row = square // (self.cells // 2)
        column = 2 * (square % (self.cells // 2)) + row % 2
        corner = torch.stack([column, row], -1)
        return 4 * (corner + torch.rand(n, 2, generator=generator)) / self.cells - 2, c

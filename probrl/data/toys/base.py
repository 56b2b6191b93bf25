"""What every built-in data set is: points and what tells them apart, from a generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from probrl.errors import DataError


class Toy(ABC):
    """A distribution of points with a condition; samples are float32, independent and unlimited in number.

    A file of this package holds one; its name is the data set's. The scale is that of unit Gaussian noise: means within
    0.3 of 0, standard deviations of the plane's coordinates between 0.6 and 1.5, points rarely beyond 3.

    Shapes:
        A point has :attr:`event_shape`; its condition is one vector of :attr:`condition_size` numbers.

    Example:
        >>> class Line(Toy):
        ...     event_shape, condition_size = (1,), 1
        ...     def draw(self, n, generator):
        ...         c = torch.rand(n, 1, generator=generator)
        ...         return 2 * c - 1, c
        >>> Line().sample(5).shape
        torch.Size([5, 1])
    """

    event_shape: ClassVar[tuple[int, ...]] = (2,)
    condition_size: int

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """n points (n, *event_shape) and their conditions (n, condition_size)."""

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n points, (n, *event_shape), float32."""
        return self.columns(n, generator)["x"]

    def columns(self, n: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """A batch of points and conditions: columns "x" (n, *event_shape) and "c" (n, condition_size), float32.

        The points are those that :meth:`sample` gives for the same generator.

        Errors:
            DataError unless n is a positive whole number.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise DataError(f"a sample has one point or more; got n={n!r}")
        x, c = self.draw(n, generator)
        return {"x": x.float(), "c": c.float()}


def choice(n: int, k: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """n of k classes, each as likely: as indices (n,) and one-hot (n, k), where a row of zeros is left to mean none."""
    index = torch.randint(k, (n,), generator=generator)
    return index, torch.nn.functional.one_hot(index, k).float()


def uniform(n: int, generator: torch.Generator | None, low: float = 0.0, high: float = 1.0) -> Tensor:
    """n numbers between low and high."""
    return low + (high - low) * torch.rand(n, generator=generator)


def jitter(x: Tensor, noise: float, generator: torch.Generator | None) -> Tensor:
    """Points moved by Gaussian noise of a standard deviation."""
    return x + noise * torch.randn(x.shape, generator=generator)


def polar(radius: Tensor, angle: Tensor) -> Tensor:
    """Points of the plane, (n, 2)."""
    return torch.stack([radius * angle.cos(), radius * angle.sin()], -1)


def length(name: str, value: float) -> None:
    """Refuses by name what is not a finite number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise DataError(f"{name} is a finite number from 0 on; got {value!r}")


def count(name: str, value: int) -> None:
    """Refuses by name what is not a positive whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DataError(f"{name} is a positive whole number; got {value!r}")

"""Handwritten digits, small enough for a processor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from probrl.data.toys.base import Toy
from probrl.errors import MissingExtraError


@dataclass(frozen=True)
class Digits(Toy):
    """Images of 8 x 8 pixels between -1 (white) and 1 (black), drawn with replacement from 1,797.

    The condition is the digit, one-hot.

    Shapes:
        x (n, 1, 8, 8), c (n, 10).

    Errors:
        MissingExtraError without scikit-learn, which brings the images.

    Source:
        Alpaydin, Kaynak, "Optical recognition of handwritten digits", 1998.

    Example:
        >>> x, c = Digits().draw(5, None)
        >>> x.shape, c.shape
        (torch.Size([5, 1, 8, 8]), torch.Size([5, 10]))
    """

    event_shape: ClassVar[tuple[int, ...]] = (1, 8, 8)
    condition_size = 10

    def draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Any of the images, as often as chance has it."""
        images, labels = _digits()
        index = torch.randint(len(images), (n,), generator=generator)
        return images[index], one_hot(labels[index], 10)

    def everything(self) -> dict[str, Tensor]:
        """All images once, in the order they come: columns "x" and "c"."""
        images, labels = _digits()
        return {"x": images.clone(), "c": one_hot(labels, 10).float()}


@cache
def _digits() -> tuple[Tensor, Tensor]:
    """All images (1797, 1, 8, 8) and which digit each is."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("the digits come with scikit-learn: pip install 'probrl[data]'") from error
    found = load_digits()
    images = torch.as_tensor(found.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    return images, torch.as_tensor(found.target, dtype=torch.int64)

"""Convolutional networks for pictures."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from probrl.errors import DataError
from probrl.networks.mlp import mlp

LEAST = 36  # pixels: what three convolutions of 8, 4 and 3 with strides of 4, 2 and 1 leave something of
NATURE = ((32, 8, 4), (64, 4, 2), (64, 3, 1))  # channels, kernel, stride


class CNN(nn.Module):
    """Convolutions over one image per row, then a perceptron; built by :func:`cnn`.

    Shapes:
        ``(..., *shape)`` to ``(..., out)``. Bytes are divided by 255 here, on the device; reals are taken as they are.

    Example:
        >>> import torch
        >>> network = cnn((3, 64, 64), 128, 6)
        >>> network(torch.zeros(5, 3, 64, 64, dtype=torch.uint8)).shape
        torch.Size([5, 6])
    """

    def __init__(self, shape: tuple[int, ...], head: nn.Module, first: bool) -> None:
        super().__init__()
        channels = 1 if len(shape) == 2 else shape[0 if first else -1]
        layers: list[nn.Module] = []
        for out, kernel, stride in NATURE:
            layer = nn.Conv2d(channels, out, kernel, stride)
            nn.init.orthogonal_(layer.weight, math.sqrt(2))
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            layers += [layer, nn.ReLU()]
            channels = out
        self.shape, self.channels_first = tuple(shape), first
        self.convolutions, self.head = nn.Sequential(*layers), head

    def forward(self, x: Tensor) -> Tensor:
        dims = len(self.shape)
        if x.shape[-dims:] != self.shape:
            raise DataError(f"this network sees pictures of shape {self.shape} and got {tuple(x.shape)}")
        lead = x.shape[:-dims]
        x = x.reshape(-1, *self.shape)
        if dims == 2:
            x = x.unsqueeze(1)
        elif not self.channels_first:
            x = x.movedim(-1, 1)
        x = x if x.is_floating_point() else x.to(next(self.parameters()).dtype) / 255
        features: Tensor = self.convolutions(x).flatten(1)
        out: Tensor = self.head(features)
        return out.reshape(*lead, out.shape[-1])

    @property
    def out_features(self) -> int:
        """How many numbers per row it puts out."""
        return int([m for m in self.head.modules() if isinstance(m, nn.Linear)][-1].out_features)


def cnn(
    shape: tuple[int, ...],
    *sizes: int,
    activation: Callable[[], nn.Module] = nn.ReLU,
    last_gain: float = 1.0,
    channels_first: bool | None = None,
) -> CNN:
    r"""Three convolutions with orthogonal weights over an image, then linear layers of the given sizes.

    .. math:: y = \mathrm{mlp}(\mathrm{conv}_{3/1}(\mathrm{conv}_{4/2}(\mathrm{conv}_{8/4}(x / 255))))

    Args:
        shape: of one picture: ``(H, W)``, ``(H, W, C)`` or ``(C, H, W)``.
        sizes: of the linear layers, the output last; at least one.
        activation: makes the non-linearity between two linear layers.
        last_gain: gain of the last layer's weights.
        channels_first: where the channels lie; None says first where the first size is the smallest.

    Shapes:
        Bytes or reals ``(..., *shape)`` to ``(..., sizes[-1])``.

    Errors:
        DataError for a picture of less than 36 by 36 pixels, and for sizes that are none.

    Source:
        Mnih et al., "Human-level control through deep reinforcement learning", Nature 2015.

    Example:
        >>> import torch
        >>> network = cnn((84, 84, 4), 512, 6)
        >>> network(torch.zeros(2, 84, 84, 4, dtype=torch.uint8)).shape
        torch.Size([2, 6])
    """
    shape = tuple(int(n) for n in shape)
    if len(shape) not in (2, 3):
        raise DataError(f"a picture has the shape (H, W), (H, W, C) or (C, H, W), not {shape}")
    first = len(shape) == 3 and (shape[0] < min(shape[1:]) if channels_first is None else channels_first)
    pixels = shape[1:] if first else shape[:2]
    if min(pixels) < LEAST:
        raise DataError(
            f"a picture of shape {shape} has {pixels[0]} by {pixels[1]} pixels, and these convolutions need at least "
            f"{LEAST} by {LEAST}: enlarge it with gymnasium.wrappers.ResizeObservation, make a vector of it with "
            "gymnasium.wrappers.FlattenObservation, or hand over a network of your own with actor= and critic="
        )
    height, width = pixels
    for _, kernel, stride in NATURE:
        height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    head = mlp(NATURE[-1][0] * height * width, *sizes, activation=activation, last_gain=last_gain)
    return CNN(shape, head, first)

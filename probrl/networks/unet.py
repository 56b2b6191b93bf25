"""U-Nets on sequences and on images: the same network with convolutions of one or of two axes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from probrl.networks.attention import SelfAttention
from probrl.networks.timed import TimedNetwork, share, sizes, zeroed

_CONV: dict[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}


class UNet(TimedNetwork):
    r"""Residual convolutions at several resolutions, joined across.

    .. math:: h \leftarrow P h + W_2\, \sigma\!\left((1 + a)\, \mathrm{GN}(W_1\, \sigma(\mathrm{GN}(h))) + b\right),
        \qquad (a, b) = U \gamma

    with :math:`\gamma` the embedded time and condition. Each level but the last halves the resolution; on the way up
    each block gets what the way down had there. Sizes that are not even are rounded up and cut again, so every length works.
    The last layers of the blocks and of the network start at zero.

    Args:
        event_shape, condition, time: see :class:`~probrl.networks.timed.TimedNetwork`.
        width: channels at the first level.
        levels: by what the width is multiplied at each level; one level more is half the resolution.
        blocks: residual blocks per level, down and up.
        heads: heads of the attention at the lowest level; 0 for no attention. They divide its channels.
        dropout: share of a block's inner values that is dropped while training, from torch's own generator.

    Source:
        Ronneberger et al., 2015; Ho et al., 2020; Dhariwal, Nichol, "Diffusion models beat GANs", 2021.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        condition: int = 0,
        width: int = 32,
        levels: Sequence[int] = (1, 2),
        blocks: int = 1,
        time: nn.Module | None = None,
        heads: int = 4,
        dropout: float = 0.0,
    ):
        super().__init__(event_shape, condition, time)
        sizes("width, levels and blocks", width, blocks, *levels, len(levels))
        axes, embedding = len(self.event_shape) - 1, 4 * width
        conv = _CONV[axes]
        self.embed = nn.Sequential(nn.Linear(self.context_size, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.first = conv(self.event_shape[0], width, 3, padding=1)
        widths, given = [width * m for m in levels], [width]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, channels in enumerate(widths):
            if level:
                self.down.append(_Halve(conv(given[-1], given[-1], 3, stride=2, padding=1)))
                given.append(given[-1])
            for _ in range(blocks):
                self.down.append(_Block(conv, given[-1], channels, embedding, share("dropout", dropout)))
                given.append(channels)
        self.middle = nn.ModuleList([_Block(conv, widths[-1], widths[-1], embedding, dropout) for _ in range(2)])
        self.attention = _Attention(widths[-1], heads) if heads else nn.Identity()
        now = widths[-1]
        for level, channels in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                self.up.append(_Block(conv, now + given.pop(), channels, embedding, dropout))
                now = channels
            if level:
                self.up.append(_Double(conv(now, now, 3, padding=1)))
        self.last = nn.Sequential(_norm(now), nn.SiLU(), zeroed(conv(now, self.event_shape[0], 3, padding=1)))

    @property
    @abstractmethod
    def dimensions(self) -> int:  # type: ignore[override]
        """How many axes an event has, that of the channels included."""

    def transform(self, x_t: Tensor, context: Tensor) -> Tensor:
        """Down, across and up again."""
        gamma = self.embed(context)
        seen = [h := self.first(x_t)]
        for part in self.down:
            seen.append(h := part(h, gamma))
        before, after = self.middle
        h = after(self.attention(before(h, gamma)), gamma)
        for part in self.up:
            h = part(h, seen[-1]) if isinstance(part, _Double) else part(torch.cat([h, seen.pop()], 1), gamma)
        return self.last(h)


class UNet1d(UNet):
    """A U-Net on sequences; formula and arguments are those of :class:`UNet`.

    Shapes:
        ``x_t`` (B, channels, length), ``t`` (B,), ``condition`` (B, c); gives (B, channels, length).

    Example:
        >>> UNet1d((3, 10), width=8)(torch.zeros(2, 3, 10), torch.rand(2)).shape
        torch.Size([2, 3, 10])
    """

    dimensions = 2


class UNet2d(UNet):
    """A U-Net on images; formula and arguments are those of :class:`UNet`.

    Shapes:
        ``x_t`` (B, channels, height, width), ``t`` (B,), ``condition`` (B, c); gives (B, channels, height, width).

    Example:
        >>> UNet2d((1, 8, 8), width=8)(torch.zeros(2, 1, 8, 8), torch.rand(2)).shape
        torch.Size([2, 1, 8, 8])
    """

    dimensions = 3


def _norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with at most 8 groups of at least 4 channels, where the channels allow it."""
    return nn.GroupNorm(math.gcd(8, max(channels // 4, 1), channels), channels)


class _Block(nn.Module):
    """A residual block whose inner values are scaled and shifted by the embedding; (B, a, ...) to (B, b, ...)."""

    def __init__(self, conv: type[nn.Conv1d] | type[nn.Conv2d], a: int, b: int, embedding: int, dropout: float):
        super().__init__()
        self.first = nn.Sequential(_norm(a), nn.SiLU(), conv(a, b, 3, padding=1))
        self.modulation, self.norm = nn.Linear(embedding, 2 * b), _norm(b)
        self.second = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), zeroed(conv(b, b, 3, padding=1)))
        self.around = nn.Identity() if a == b else conv(a, b, 1)

    def forward(self, h: Tensor, gamma: Tensor) -> Tensor:
        inner = self.first(h)
        modulation = self.modulation(gamma)
        scale, shift = modulation.reshape(*modulation.shape, *[1] * (h.dim() - 2)).chunk(2, 1)
        return self.around(h) + self.second(self.norm(inner) * (1 + scale) + shift)


class _Attention(nn.Module):
    """Attention over the positions, added; it starts as nothing."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.norm, self.attend = _norm(channels), SelfAttention(channels, heads)
        zeroed(self.attend.last)

    def forward(self, h: Tensor) -> Tensor:
        told = self.attend(self.norm(h).flatten(2).transpose(1, 2))
        return h + told.transpose(1, 2).view_as(h)


class _Halve(nn.Module):
    """Half the resolution, rounded up."""

    def __init__(self, conv: nn.Module):
        super().__init__()
        self.conv = conv

    def forward(self, h: Tensor, gamma: Tensor) -> Tensor:
        return self.conv(h)


class _Double(nn.Module):
    """The resolution of what waits on the other side."""

    def __init__(self, conv: nn.Module):
        super().__init__()
        self.conv = conv

    def forward(self, h: Tensor, like: Tensor) -> Tensor:
        return self.conv(F.interpolate(h, size=like.shape[2:], mode="nearest"))

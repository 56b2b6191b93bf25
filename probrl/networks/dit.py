"""Diffusion transformers on sequences and on images: patches, attention, and a context that modulates every block."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from probrl.errors import DataError
from probrl.networks.attention import SelfAttention
from probrl.networks.timed import TimedNetwork, sizes, zeroed


class DiT(TimedNetwork):
    r"""Transformer blocks with adaptive layer normalisation that starts at zero (adaLN-zero).

    .. math:: h \leftarrow h + g_1\, \mathrm{Attention}((1 + a_1)\, \mathrm{LN}(h) + b_1), \qquad
        h \leftarrow h + g_2\, \mathrm{MLP}((1 + a_2)\, \mathrm{LN}(h) + b_2),

    with :math:`(a, b, g)` linear in the embedded time and condition and zero at the start, as is the last layer.

    Args:
        event_shape, condition, time: see :class:`~probrl.networks.timed.TimedNetwork`.
        patch: the side of a patch; divides every size of the event but the channels.
        width: numbers per patch.
        blocks: how many blocks.
        heads: heads of the attention; divides the width.

    Source:
        Peebles, Xie, "Scalable diffusion models with transformers", 2023.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        condition: int = 0,
        patch: int = 2,
        width: int = 128,
        blocks: int = 4,
        heads: int = 4,
        time: nn.Module | None = None,
    ):
        super().__init__(event_shape, condition, time)
        sizes("patch, width, blocks and heads", patch, width, blocks, heads)
        channels, *sides = self.event_shape
        if any(side % patch for side in sides):
            raise DataError(
                f"patches of side {patch} do not divide an event of sizes {tuple(sides)}; choose another patch"
            )
        self.patch, numbers = patch, channels * patch ** len(sides)
        positions = int(torch.Size([side // patch for side in sides]).numel())
        self.embed = nn.Sequential(nn.Linear(self.context_size, width), nn.SiLU(), nn.Linear(width, width))
        self.first = nn.Linear(numbers, width)
        self.position = nn.Parameter(0.02 * torch.randn(positions, width))
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(blocks))
        self.modulation = nn.Sequential(nn.SiLU(), zeroed(nn.Linear(width, 2 * width)))
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.last = zeroed(nn.Linear(width, numbers))

    @property
    @abstractmethod
    def dimensions(self) -> int:  # type: ignore[override]
        """How many axes an event has, that of the channels included."""

    def transform(self, x_t: Tensor, context: Tensor) -> Tensor:
        """Patches in, patches out."""
        gamma = self.embed(context)
        h = self.first(self._patches(x_t)) + self.position
        for block in self.blocks:
            h = block(h, gamma)
        scale, shift = self.modulation(gamma).unsqueeze(1).chunk(2, -1)
        return self._events(self.last(self.norm(h) * (1 + scale) + shift))

    def _patches(self, x: Tensor) -> Tensor:
        """(B, C, n p, m p) to (B, n m, C p p): the patches in rows, each with its channels and its sides."""
        axes = len(self.event_shape) - 1
        for axis in range(axes):  # (B, C, n, p, m, p)
            x = x.unflatten(2 + 2 * axis, (-1, self.patch))
        order = [0, *(2 + 2 * i for i in range(axes)), 1, *(3 + 2 * i for i in range(axes))]
        return x.permute(order).flatten(1 + axes).flatten(1, axes)

    def _events(self, h: Tensor) -> Tensor:
        """The way back from :meth:`_patches`."""
        channels, *sides = self.event_shape
        axes = len(sides)
        h = h.unflatten(1, [s // self.patch for s in sides]).unflatten(-1, (channels, *[self.patch] * axes))
        order = [0, 1 + axes, *(k for i in range(axes) for k in (1 + i, 2 + axes + i))]
        h = h.permute(order)
        for axis in range(axes):
            h = h.flatten(2 + axis, 3 + axis)
        return h


class DiT1d(DiT):
    """A diffusion transformer on sequences; formula and arguments are those of :class:`DiT`.

    Shapes:
        ``x_t`` (B, channels, length), ``t`` (B,), ``condition`` (B, c); gives (B, channels, length).

    Example:
        >>> DiT1d((3, 10), width=16, blocks=1)(torch.zeros(2, 3, 10), torch.rand(2)).shape
        torch.Size([2, 3, 10])
    """

    dimensions = 2


class DiT2d(DiT):
    """A diffusion transformer on images; formula and arguments are those of :class:`DiT`.

    Shapes:
        ``x_t`` (B, channels, height, width), ``t`` (B,), ``condition`` (B, c); gives (B, channels, height, width).

    Example:
        >>> DiT2d((1, 8, 8), width=16, blocks=1)(torch.zeros(2, 1, 8, 8), torch.rand(2)).shape
        torch.Size([2, 1, 8, 8])
    """

    dimensions = 3


class _Block(nn.Module):
    """Attention and a perceptron, each modulated and gated by the embedding; (B, N, width) to the same."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False, eps=1e-6) for _ in range(2))
        self.attend = SelfAttention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.modulation = nn.Sequential(nn.SiLU(), zeroed(nn.Linear(width, 6 * width)))

    def forward(self, h: Tensor, gamma: Tensor) -> Tensor:
        a1, b1, g1, a2, b2, g2 = self.modulation(gamma).unsqueeze(1).chunk(6, -1)
        h = h + g1 * self.attend(self.norms[0](h) * (1 + a1) + b1)
        return h + g2 * self.mlp(self.norms[1](h) * (1 + a2) + b2)

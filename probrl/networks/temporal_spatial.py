"""The residual perceptron in the form of a U: narrowing blocks, then widening ones that see them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from probrl.errors import DataError
from probrl.networks.timed import TimedNetwork, sizes


class TemporalSpatialResidualNet(TimedNetwork):
    r"""Residual blocks to which the time is added; the second half also gets what the first half passed on.

    .. math:: h \leftarrow P h + \sigma\!\left(W_2\left(\sigma(W_1 h) + U \gamma\right)\right),

    with :math:`\gamma` the embedded time and condition and P linear. Sizes (512, 256, 128) give blocks to 512, 256 and 128, one
    of 128, then 256 and 512, each of the last on its input joined with the block of its size.

    Args:
        event_shape, condition, time: see :class:`~probrl.networks.timed.TimedNetwork`.
        hidden: the sizes on the way down, two or more.
        embedding: the size of :math:`\gamma`.
        activation: the non-linearity, a function of tensors.

    Shapes:
        ``x_t`` (B, *event_shape), ``t`` (B,), ``condition`` (B, c); gives (B, *event_shape). Any event shape.

    Source:
        Lu et al., "Contrastive energy prediction for exact energy-guided diffusion sampling", 2023.

    Example:
        >>> network = TemporalSpatialResidualNet(2, hidden=(64, 32))
        >>> network(torch.zeros(5, 2), torch.rand(5)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        condition: int = 0,
        hidden: Sequence[int] = (512, 256, 128),
        time: nn.Module | None = None,
        embedding: int = 64,
        activation: Callable[[Tensor], Tensor] = F.silu,
    ):
        super().__init__(event_shape, condition, time)
        if len(hidden) < 2:
            raise DataError(f"hidden needs two or more sizes, as in hidden=(512, 256, 128); got {tuple(hidden)}")
        sizes("hidden and embedding", *hidden, embedding)
        self.activation = activation
        self.embed = nn.Sequential(nn.Linear(self.context_size, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.first = _Block(self.event_size, hidden[0], embedding, activation)
        self.down = nn.ModuleList(_Block(a, b, embedding, activation) for a, b in pairwise(hidden))
        self.middle = _Block(hidden[-1], hidden[-1], embedding, activation)
        self.up = nn.ModuleList(_Block(2 * b, a, embedding, activation) for a, b in reversed(list(pairwise(hidden))))
        self.last = nn.Linear(2 * hidden[0], self.event_size)

    def transform(self, x_t: Tensor, context: Tensor) -> Tensor:
        """Down, across and up again."""
        gamma = self.embed(context)
        h = self.first(x_t.flatten(1) if x_t.dim() > 1 else x_t.unsqueeze(-1), gamma)
        seen = [h]
        for block in self.down:
            h = block(h, gamma)
            seen.append(h)
        h = self.middle(h, gamma)
        for block in self.up:
            h = block(torch.cat([h, seen.pop()], -1), gamma)
        return self.last(torch.cat([h, seen.pop()], -1)).view_as(x_t)


class _Block(nn.Module):
    """Two layers with the embedding added between them, beside a linear way around; (B, a) to (B, b)."""

    def __init__(self, a: int, b: int, embedding: int, activation: Callable[[Tensor], Tensor]):
        super().__init__()
        self.first, self.second, self.shift = nn.Linear(a, b), nn.Linear(b, b), nn.Linear(embedding, b)
        self.around = nn.Identity() if a == b else nn.Linear(a, b)
        self.activation = activation

    def forward(self, h: Tensor, gamma: Tensor) -> Tensor:
        inner = self.activation(self.first(h)) + self.shift(gamma)
        return self.around(h) + self.activation(self.second(inner))

"""The residual perceptron with normalisation and dropout."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from probrl.networks.timed import TimedNetwork, share, sizes


class MLPResNet(TimedNetwork):
    r"""Residual blocks of one width with layer normalisation and dropout.

    .. math:: h \leftarrow h + W_2\, \sigma\!\left(W_1\, \mathrm{LN}(\mathrm{dropout}(h))\right), \qquad
        f_\theta = W \sigma(h)

    The first layer takes the point, the embedded time and the condition, joined; :math:`W_1` widens fourfold.

    Args:
        event_shape, condition, time: see :class:`~probrl.networks.timed.TimedNetwork`.
        width: the size of h.
        blocks: how many residual blocks.
        dropout: the share of h that is dropped while training, from torch's own generator.
        activation: the non-linearity, a function of tensors.

    Shapes:
        ``x_t`` (B, *event_shape), ``t`` (B,), ``condition`` (B, c); gives (B, *event_shape). Any event shape.

    Source:
        Hansen-Estruch et al., "IDQL: implicit Q-learning as an actor-critic method with diffusion policies", 2023.

    Example:
        >>> network = MLPResNet(2, condition=3, width=32)
        >>> network(torch.zeros(5, 2), torch.rand(5), torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        condition: int = 0,
        width: int = 256,
        blocks: int = 3,
        time: nn.Module | None = None,
        dropout: float = 0.0,
        activation: Callable[[Tensor], Tensor] = F.relu,
    ):
        super().__init__(event_shape, condition, time)
        sizes("width and blocks", width, blocks)
        features = int(self.time.size)  # type: ignore[arg-type]
        self.activation = activation
        self.embed = nn.Sequential(nn.Linear(features, 2 * features), nn.SiLU(), nn.Linear(2 * features, features))
        self.first = nn.Linear(self.event_size + self.context_size, width)
        self.blocks = nn.ModuleList(_Block(width, share("dropout", dropout), activation) for _ in range(blocks))
        self.last = nn.Linear(width, self.event_size)

    def transform(self, x_t: Tensor, context: Tensor) -> Tensor:
        """Through the blocks, one after the other."""
        flat = x_t.flatten(1) if x_t.dim() > 1 else x_t.unsqueeze(-1)
        time, condition = context.split([context.shape[-1] - self.condition, self.condition], -1)
        h = self.first(torch.cat([flat, self.embed(time), condition], -1))
        for block in self.blocks:
            h = block(h)
        return self.last(self.activation(h)).view_as(x_t)


class _Block(nn.Module):
    """What is added to h; (B, width) to (B, width)."""

    def __init__(self, width: int, dropout: float, activation: Callable[[Tensor], Tensor]):
        super().__init__()
        self.dropout, self.norm = nn.Dropout(dropout), nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.activation = activation

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(self.activation(self.first(self.norm(self.dropout(h)))))

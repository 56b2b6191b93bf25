"""The perceptron that is told the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from probrl.networks.mlp import mlp
from probrl.networks.timed import TimedNetwork, sizes


class TimeMLP(TimedNetwork):
    r"""A perceptron on the point, features of the time and the condition, joined.

    .. math:: f_\theta(x_t, t, c) = \mathrm{MLP}(x_t, \gamma(t), c)

    Args:
        event_shape, condition, time: see :class:`~probrl.networks.timed.TimedNetwork`.
        hidden: the hidden sizes.
        activation: makes the non-linearity between two layers.
        last_gain: gain of the orthogonal last layer.

    Shapes:
        ``x_t`` (B, *event_shape), ``t`` (B,), ``condition`` (B, c); gives (B, *event_shape). Any event shape.

    Source:
        The network of Wang, Hunt, Zhou, "Diffusion policies as an expressive policy class", 2023.

    Example:
        >>> network = TimeMLP(2, condition=3, hidden=(32, 32))
        >>> network(torch.zeros(5, 2), torch.rand(5), torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        condition: int = 0,
        hidden: Sequence[int] = (256, 256, 256),
        time: nn.Module | None = None,
        activation: Callable[[], nn.Module] = nn.SiLU,
        last_gain: float = 1.0,
    ):
        super().__init__(event_shape, condition, time)
        d = self.event_size
        layers = (d + self.context_size, *sizes("hidden", *hidden), d)
        self.layers = mlp(*layers, activation=activation, last_gain=last_gain)

    def transform(self, x_t: Tensor, context: Tensor) -> Tensor:
        """One pass through the perceptron."""
        flat = x_t.flatten(1) if x_t.dim() > 1 else x_t.unsqueeze(-1)
        return self.layers(torch.cat([flat, context], -1)).view_as(x_t)

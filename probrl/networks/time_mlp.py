"""The perceptron that is told the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from probrl.errors import DataError
from probrl.networks.mlp import mlp
from probrl.networks.timed import TimedNetwork, sizes


class TimeMLP(TimedNetwork):
    r"""A perceptron on the point, features of the time and the condition.

    .. math:: f_\theta(x_t, t, c) = \mathrm{MLP}\!\left(\sigma(W_x x_t + W_t \gamma(t) + W_c c + b)\right)

    The first layer's weights of the point, of the time and of the condition start as large as each would alone. Drawn as one
    orthogonal matrix, they would hardly hear two coordinates beside sixty features of the time: on the Swiss roll the samples
    had half the density.

    Args:
        event_shape, condition, time: see :class:`~probrl.networks.timed.TimedNetwork`.
        hidden: the hidden sizes, one or more.
        activation: makes the non-linearity between two layers.
        last_gain: gain of the orthogonal last layer.

    Shapes:
        ``x_t`` (B, *event_shape), ``t`` (B,), ``condition`` (B, c); gives (B, *event_shape). Any event shape.

    Source:
        The network of Wang, Hunt, Zhou, "Diffusion policies as an expressive policy class", 2023; weights after He et al., 2015.

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
        if not hidden:
            raise DataError("hidden needs one size or more, as in hidden=(256, 256)")
        sizes("hidden", *hidden)
        parts = [self.event_size, self.context_size - condition, *([condition] if condition else [])]
        first = nn.Linear(sum(parts), hidden[0])
        with torch.no_grad():
            for weight in first.weight.split(parts, 1):
                weight.copy_(nn.init.kaiming_normal_(torch.empty_like(weight)))
        nn.init.uniform_(first.bias, -1, 1)
        self.layers = nn.Sequential(
            first, activation(), *mlp(*hidden, self.event_size, activation=activation, last_gain=last_gain)
        )

    def transform(self, x_t: Tensor, context: Tensor) -> Tensor:
        """One pass through the perceptron."""
        flat = x_t.flatten(1) if x_t.dim() > 1 else x_t.unsqueeze(-1)
        return self.layers(torch.cat([flat, context], -1)).view_as(x_t)

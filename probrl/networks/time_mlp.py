"""The perceptron that is told the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from probrl.errors import DataError
from probrl.networks.mlp import mlp
from probrl.networks.timed import TimedNetwork, sizes


class TimeMLP(TimedNetwork):
    r"""A perceptron on the point, features of the time and the condition.

    .. math:: f_\theta(x_t, t, c) = \mathrm{MLP}\!\left(\sigma(W_x x_t + W_t \gamma(t) + W_c c + b)\right)

    The three weights of the first layer start as large as each would alone. One layer on all of them joined, orthogonal, would
    hardly hear two coordinates beside sixty features of the time: on the Swiss roll it reached half the density.

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
        >>> import torch
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
        features = self.context_size - condition
        self.point = nn.Linear(self.event_size, hidden[0])
        self.clock = nn.Linear(features, hidden[0], bias=False)
        self.told = nn.Linear(condition, hidden[0], bias=False) if condition else None
        for layer in (self.point, self.clock, self.told):
            if layer is not None:
                nn.init.kaiming_normal_(layer.weight)
        nn.init.uniform_(self.point.bias, -1, 1)
        self.layers = nn.Sequential(
            activation(), *mlp(*hidden, self.event_size, activation=activation, last_gain=last_gain)
        )

    def transform(self, x_t: Tensor, context: Tensor) -> Tensor:
        """One pass through the perceptron."""
        flat = x_t.flatten(1) if x_t.dim() > 1 else x_t.unsqueeze(-1)
        if self.told is None:
            h = self.point(flat) + self.clock(context)
        else:
            time, condition = context.split([self.clock.in_features, self.told.in_features], -1)
            h = self.point(flat) + self.clock(time) + self.told(condition)
        return self.layers(h).view_as(x_t)

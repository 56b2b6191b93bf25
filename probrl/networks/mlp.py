"""Multi-layer perceptrons that take several inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from probrl.errors import DataError
from probrl.networks.tanh import Tanh


class MLP(nn.Sequential):
    """A sequence of layers that gets its inputs concatenated along the last dimension; built by :func:`mlp`.

    Shapes:
        Inputs ``(..., d_1), (..., d_2), ...`` give ``(..., out)``; a scalar per row, ``(...)``, counts as ``(..., 1)``.
        A last size of 1 stays: the output is ``(..., 1)``.

    Example:
        >>> mlp(4 + 2, 64, 1)(torch.zeros(5, 4), torch.zeros(5, 2)).shape  # a critic of states and actions
        torch.Size([5, 1])
    """

    def forward(self, *inputs: Tensor) -> Tensor:
        x = inputs[0] if len(inputs) == 1 and inputs[0].dim() > 1 else self._join(inputs)
        if not x.is_floating_point():
            x = x.to(self._dtype)
        for layer in self:
            x = layer(x)
        return x

    @property
    def in_features(self) -> int:
        """How many numbers per row the first layer takes."""
        return next(m.in_features for m in self if isinstance(m, nn.Linear))

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def _join(self, inputs: tuple[Tensor, ...]) -> Tensor:
        if not inputs:
            raise DataError("a network needs at least one input")
        dims = max(max(x.dim() for x in inputs), 1)
        vectors = dims > 1 and sum(x.shape[-1] for x in inputs if x.dim() == dims) <= self.in_features
        # What has fewer dimensions than the widest input is one number per row; all are when there is nothing but rows.
        parts = [x if vectors and x.dim() == dims else x.unsqueeze(-1) for x in inputs]
        parts = [x if x.is_floating_point() else x.to(self._dtype) for x in parts]
        if len(parts) == 1:
            return parts[0]
        rows = torch.broadcast_shapes(*(x.shape[:-1] for x in parts))
        x = torch.cat([x.expand(*rows, x.shape[-1]) for x in parts], dim=-1)
        if x.shape[-1] != self.in_features:
            shapes = ", ".join(str(tuple(i.shape)) for i in inputs)
            raise DataError(
                f"this network takes {self.in_features} numbers per row and got {x.shape[-1]}, of shapes {shapes}"
            )
        return x


def mlp(
    *sizes: int,
    activation: Callable[[], nn.Module] = Tanh,
    last_gain: float = 1.0,
) -> MLP:
    r"""A multi-layer perceptron with orthogonal weights and zero biases.

    .. math:: x_{k+1} = \sigma(W_k x_k + b_k), \qquad y = W_K x_K + b_K

    Args:
        sizes: input size, hidden sizes, output size; at least two.
        activation: makes the non-linearity that stands between two layers.
        last_gain: gain of the last layer's weights; 0.01 makes a policy start near the uniform one; that of
            hidden layers is sqrt(2).

    Shapes:
        ``(..., sizes[0])`` to ``(..., sizes[-1])``; several inputs are concatenated, see :class:`MLP`.

    Errors:
        DataError if fewer than two sizes are given or one is not a positive integer.

    Source:
        Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear networks",
        2014.

    Example:
        >>> network = mlp(4, 64, 64, 2)
        >>> network(torch.zeros(8, 4)).shape
        torch.Size([8, 2])
        >>> mlp(4, 32, 1)(torch.zeros(8, 3), torch.zeros(8)).shape
        torch.Size([8, 1])
    """
    if len(sizes) < 2 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
        raise DataError(f"mlp takes two or more positive sizes, as in mlp(4, 64, 64, 2); got {sizes}")
    layers: list[nn.Module] = []
    for position, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        last = position == len(sizes) - 2
        linear = nn.Linear(fan_in, fan_out)
        nn.init.orthogonal_(linear.weight, last_gain if last else math.sqrt(2))
        nn.init.zeros_(linear.bias)
        layers += [linear] if last else [linear, activation()]
    return MLP(*layers)

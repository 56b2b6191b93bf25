"""Networks of any make in the form that a declaration needs: inputs joined, outputs by name, scales of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from probrl.errors import DataError, ExpressionError
from probrl.networks.mlp import MLP


def adopt(network: nn.Module, conditions: int) -> nn.Module:
    """A plain sequence of layers gets several conditions concatenated; other modules get them one by one."""
    layers = list(network.children())
    plain = type(network) is nn.Sequential and layers and isinstance(layers[0], nn.Linear)
    return MLP(*layers) if plain and conditions > 1 else network


class NamedOutputs(nn.Module):
    """A network that returns several tensors, by name or in order, as a tuple in a fixed order."""

    def __init__(self, network: nn.Module, keys: Sequence[str]):
        super().__init__()
        self.network, self.keys = network, tuple(keys)

    def forward(self, *inputs: Any) -> tuple[Tensor, ...]:
        out = self.network(*inputs)
        if isinstance(out, Mapping):
            if not set(self.keys) <= set(out):
                raise DataError(f"the network returns {', '.join(out)} where {', '.join(self.keys)} are needed")
            return tuple(out[k] for k in self.keys)
        if isinstance(out, Tensor) or len(out) != len(self.keys):
            raise DataError(
                f"the network returns one tensor where {', '.join(self.keys)} are needed, as a tuple or a dict"
            )
        return tuple(out)


class FreeScale(nn.Module):
    """A network beside a free parameter: its output, and the logarithm of a scale that depends on no condition."""

    def __init__(self, network: nn.Module, shape: Sequence[int]):
        super().__init__()
        self.network = network
        self.log_scale = nn.Parameter(torch.zeros(*shape))

    def forward(self, *inputs: Any) -> tuple[Tensor, Tensor]:
        loc = self.network(*inputs)
        if self.log_scale.dim() == 0 and loc.shape[-1] == 1:
            loc = loc.squeeze(-1)
        return loc, self.log_scale.expand(loc.shape)


class Free(nn.Module):
    """No network: parameters of their own, for a distribution without conditions."""

    def __init__(self, *shape: int):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(*shape))
        self.out_features = shape[-1] if shape else 1

    def forward(self) -> Tensor:
        return self.value


class Split(nn.Module):
    """A network whose last dimension is cut into parts of given sizes."""

    def __init__(self, network: nn.Module, sizes: Sequence[int]):
        super().__init__()
        self.network, self.sizes = network, tuple(sizes)

    def forward(self, *inputs: Any) -> tuple[Tensor, ...]:
        out = self.network(*inputs)
        if out.shape[-1] != sum(self.sizes):
            raise DataError(
                f"the network puts out {out.shape[-1]} numbers where {'+'.join(map(str, self.sizes))} are needed"
            )
        return torch.split(out, list(self.sizes), dim=-1)


def event_size(network: nn.Module) -> int:
    """The number of outputs of a network, from its last linear layer.

    Errors:
        ExpressionError when it has none.
    """
    if isinstance(getattr(network, "out_features", None), int):
        return int(network.out_features)  # type: ignore[arg-type]
    sizes = [m.out_features for m in network.modules() if isinstance(m, nn.Linear | Free)]
    if not sizes:
        raise ExpressionError(
            "how many numbers the network puts out cannot be read off it: say it with event_shape=(n,)"
        )
    return int(sizes[-1])

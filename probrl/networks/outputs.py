"""How many numbers a network puts out, where that can be told without running it."""

from __future__ import annotations

from typing import Any

from torch import nn

from probrl.networks.mlp import MLP
from probrl.networks.tanh import Tanh


def last_size(module: Any) -> int | None:
    """The outputs of a linear layer, or of a sequence that ends in one (activations may follow); None for anything else."""
    if isinstance(module, MLP) or type(module) is nn.Sequential:
        for layer in reversed(list(module)):
            if type(layer) is not Tanh and not type(layer).__module__.endswith("modules.activation"):
                return last_size(layer)
        return None
    return module.out_features if type(module) is nn.Linear else None

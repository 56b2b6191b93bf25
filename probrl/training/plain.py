"""Small networks of plain layers in numpy, where the call of a torch operation costs more than its arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules import module as registry

from probrl.distributions.outputs import FreeScale, Split
from probrl.networks.joining import Chain
from probrl.networks.mlp import MLP
from probrl.networks.tanh import Tanh

Array = np.ndarray[Any, Any]
Call = Callable[[Array], Any]
MOST = 2**18  # multiplications of one layer: up to there a BLAS stays on one thread, above torch is as quick


def plain(module: nn.Module, rows: int) -> Call | None:
    """The module as it is now, as a function of an array ``(rows, n)`` of float32; None where torch must run it.

    Its arrays are the parameters themselves where these are on the CPU, so updates in place are seen; whatever else
    changes (a parameter that is replaced, a hook, a layer) is seen by asking again. None for layers other than linear
    ones and usual activations, subclasses, hooks, other types of numbers, and products that several threads would share.
    """
    if _watched_everywhere() or _watched(module):
        return None
    if type(module) is FreeScale:
        return _free_scale(module, rows)
    if type(module) is Split:
        return _split(module, rows)
    return _stack(module, rows)


def _stack(module: nn.Module, rows: int) -> Call | None:
    layers: list[tuple[Array | None, Array | None, Any]] = []
    for layer in _flat(module):
        if type(layer) is nn.Linear:
            weight, bias = _array(layer.weight), _array(layer.bias)
            if weight is None or weight.size * rows > MOST or (bias is None and layer.bias is not None):
                return None
            layers.append((weight.T, bias, None))
        elif type(layer) in ACTIVATIONS:
            function = ACTIVATIONS[type(layer)]
            if layers and layers[-1][2] is None:
                layers[-1] = (*layers[-1][:2], function)
            else:
                layers.append((None, None, function))
        elif type(layer) is not nn.Identity:
            return None
    if not layers or layers[0][0] is None:  # without a product of its own, a result could be its input
        return None
    return _forward(layers)


def _forward(layers: Sequence[tuple[Array | None, Array | None, Any]]) -> Call:
    dot = np.dot

    def forward(x: Array) -> Array:
        for weight, bias, activation in layers:
            if weight is not None:
                x = dot(x, weight)
                if bias is not None:
                    x += bias
            if activation is not None:
                activation(x, x)
        return x

    return forward


def _free_scale(module: FreeScale, rows: int) -> Call | None:
    inner, log_scale = plain(module.network, rows), _array(module.log_scale)
    if inner is None or log_scale is None or log_scale.ndim != 1:
        return None
    return lambda x: (inner(x), log_scale)


def _split(module: Split, rows: int) -> Call | None:
    inner = plain(module.network, rows)
    if inner is None:
        return None
    ends = np.cumsum(module.sizes).tolist()
    parts = [slice(end - size, end) for end, size in zip(ends, module.sizes, strict=True)]

    def forward(x: Array) -> tuple[Array, ...]:
        out = inner(x)
        return tuple(out[:, part] for part in parts)

    return forward


def _flat(module: nn.Module) -> list[nn.Module]:
    if type(module) in (nn.Sequential, MLP, Chain):
        return [inner for layer in module.children() for inner in _flat(layer)]
    return [module]


def _array(parameter: Tensor | None) -> Array | None:
    if type(parameter) is not nn.Parameter or parameter.dtype is not torch.float32:
        return None
    return parameter.detach().cpu().numpy()


def _watched(module: nn.Module) -> bool:
    """Whether calling the module, or one inside it, does more than its class says."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or "forward" in module.__dict__
        or any(_watched(inner) for inner in module._modules.values() if inner is not None)
    )


def _watched_everywhere() -> bool:
    return bool(
        registry._global_forward_hooks
        or registry._global_forward_pre_hooks
        or registry._global_backward_hooks
        or registry._global_backward_pre_hooks
    )


def _relu(x: Array, out: Array) -> None:
    np.maximum(x, 0, out=out)


def _silu(x: Array, out: Array) -> None:
    np.divide(x, 1 + np.exp(-x), out=out)


def _sigmoid(x: Array, out: Array) -> None:
    np.divide(1, 1 + np.exp(-x), out=out)


ACTIVATIONS: dict[type[nn.Module], Callable[[Array, Array], Any]] = {
    nn.Tanh: np.tanh,
    Tanh: np.tanh,
    nn.ReLU: _relu,
    nn.SiLU: _silu,
    nn.Sigmoid: _sigmoid,
}

"""A hand-written single graph: gradient, clipping and Adam's arithmetic in one function, in place, for torch.compile.

What the compiled driver is measured against. `losses` are functions of all parameters; each moves its own part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Parameters = dict[str, Tensor]


class Adam:
    """Adam's state for named parameters; `move` writes parameters and state in place, from tensors alone."""

    def __init__(
        self, parameters: Mapping[str, Tensor], lr: float, eps: float = 1e-8, max_grad_norm: float | None = None
    ):
        self.lr, self.eps, self.max_grad_norm = lr, eps, max_grad_norm
        self.mean = {name: torch.zeros_like(value) for name, value in parameters.items()}
        self.square = {name: torch.zeros_like(value) for name, value in parameters.items()}
        self.count = torch.zeros(())

    def move(self, parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> None:
        self.count.add_(1)
        scale: Tensor | float = 1.0
        if self.max_grad_norm is not None:
            norm = torch.stack([gradient.square().sum() for gradient in gradients.values()]).sum().sqrt()
            scale = (self.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
        correction = (1 - 0.999**self.count).sqrt()
        step = self.lr / (1 - 0.9**self.count)
        for name, gradient in gradients.items():
            gradient = gradient * scale
            mean = torch.lerp(self.mean[name], gradient, 0.1)
            square = self.square[name] * 0.999 + gradient * gradient * 0.001
            self.mean[name].copy_(mean)
            self.square[name].copy_(square)
            parameters[name].sub_(step * mean / (square.sqrt() / correction + self.eps))


def gradients(loss: Callable[..., Tensor], moved: Parameters, *rest) -> tuple[Parameters, Tensor]:
    """Gradient of a loss with respect to its first argument, and its value."""
    return torch.func.grad_and_value(loss)(moved, *rest)

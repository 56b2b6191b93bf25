"""Adam for a hand-written single graph: clipping and arithmetic on lists of tensors, in place, for torch.compile.

What the compiled driver is measured against. State and parameters are arguments, which costs the fewest guards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class AdamState(NamedTuple):
    """First and second moments of each parameter, and the number of steps."""

    mean: list[Tensor]
    square: list[Tensor]
    count: Tensor


def adam_state(parameters: Sequence[Tensor]) -> AdamState:
    zeros = [torch.zeros_like(value, requires_grad=False) for value in parameters]
    return AdamState(zeros, [zero.clone() for zero in zeros], torch.zeros(()))


def adam_step(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    state: AdamState,
    lr: float,
    max_grad_norm: float | None = None,
) -> None:
    """One step of Adam, written into parameters and state."""
    if max_grad_norm is not None:
        norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
        scale = (max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
        gradients = [gradient * scale for gradient in gradients]
    state.count.add_(1)
    step = lr / (1 - 0.9**state.count)
    correction = (1 - 0.999**state.count).sqrt()
    for value, gradient, mean, square in zip(parameters, gradients, state.mean, state.square, strict=True):
        mean.mul_(0.9).add_(gradient, alpha=0.1)
        square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        value.sub_(step * mean / (square.sqrt() / correction + 1e-8))

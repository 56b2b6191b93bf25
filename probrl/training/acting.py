"""From a distribution to the one fast call per step that a loop makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Sampler = Callable[[Tensor], tuple[Tensor, Tensor]]


def sampler(actor: Any, generator: torch.Generator | None = None) -> Sampler:
    r"""From observations ``(N, ...)`` to an action :math:`a \sim \pi(\cdot | s)` and its :math:`\log \pi(a | s)`.

    A distribution that offers ``acting(generator)`` answers in one network call; any other is sampled and then asked
    for its log-probability.
    """
    if hasattr(actor, "acting"):
        return actor.acting(generator=generator)
    variable, condition = actor.var[0], actor.cond_var[0]

    def sample(observation: Tensor) -> tuple[Tensor, Tensor]:
        action = actor.sample({condition: observation})[variable]
        return action, actor.log_prob({variable: action, condition: observation}, exact=True)

    return sample


def chooser(actor: Any) -> Callable[[Tensor], Tensor]:
    """A function from observations ``(N, ...)`` to the actions that the distribution thinks best: its mode."""
    if hasattr(actor, "acting"):
        return actor.acting(deterministic=True)
    variable, condition = actor.var[0], actor.cond_var[0]

    def choose(observation: Tensor) -> Tensor:
        return actor.sample({condition: observation}, sample_mean=True)[variable]

    return choose

"""The distributions that an agent gets when nobody hands it any: by what it sees and what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probrl.distributions import Categorical, Deterministic, Normal
from probrl.networks.mlp import mlp


def default_actor(spaces: Any, hidden: Sequence[int] = (64, 64), name: str = r"\pi_\theta") -> Any:
    """A policy "a | s": categorical over choices, normal with a free scale over a box.

    Args:
        spaces: ``spaces.observation.size``, and ``spaces.action.n`` (choices) or ``spaces.action.dim`` (a box).
        hidden: the sizes of the hidden layers.
        name: how it prints.
    """
    size, action = spaces.observation.size, spaces.action
    if hasattr(action, "n"):
        return Categorical("a | s", mlp(size, *hidden, action.n, last_gain=0.01), name=name)
    return Normal("a | s", mlp(size, *hidden, action.dim, last_gain=0.01), name=name, scale="free")


def default_critic(spaces: Any, hidden: Sequence[int] = (64, 64), name: str = r"V_\phi") -> Any:
    """A value "v | s".

    Args:
        spaces: ``spaces.observation.size``.
        hidden: the sizes of the hidden layers.
        name: how it prints.
    """
    return Deterministic("v | s", mlp(spaces.observation.size, *hidden, 1), name=name)

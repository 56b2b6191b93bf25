"""The distributions that an agent gets when nobody hands it any: by what it sees and what it does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import nn

from probrl.distributions import Bernoulli, Categorical, Deterministic, MultiDiscrete, Normal, lift
from probrl.distributions.outputs import event_size
from probrl.errors import ExpressionError
from probrl.networks.cnn import cnn
from probrl.networks.joining import Chain, Flat, Joined, OneHot
from probrl.networks.mlp import mlp
from probrl.networks.tanh import Tanh

FEATURES = 512  # of a picture


def default_actor(spaces: Any, hidden: Sequence[int] = (64, 64), name: str = r"\pi_\theta", encoder: Any = None) -> Any:
    """A policy "a | s": categorical over choices, Bernoulli over yes and no, normal with a free scale over a box.

    Args:
        spaces: ``spaces.observation`` and ``spaces.action``, as :class:`probrl.envs.Spaces` has them.
        hidden: the sizes of the hidden layers; pictures have three convolutions and one layer of 512 instead.
        name: how it prints.
        encoder: what encodes the observation: the policy is then "a | e", one linear layer.
    """
    action = spaces.action
    given = "s" if encoder is None else encoder.variable

    def network(outputs: int) -> nn.Module:
        if encoder is not None:
            return mlp(event_size(encoder.handle.module), outputs, last_gain=0.01)
        return perceiving(spaces.observation, hidden, outputs, last_gain=0.01)

    if hasattr(action, "sizes"):
        return MultiDiscrete(f"a | {given}", network(sum(action.sizes)), sizes=action.sizes, name=name)
    if hasattr(action, "n"):
        return Categorical(f"a | {given}", network(action.n), name=name)
    if not hasattr(action, "low"):
        return Bernoulli(f"a | {given}", network(action.dim), name=name, rank=1)
    return Normal(f"a | {given}", network(action.dim), name=name, scale="free")


def default_critic(spaces: Any, hidden: Sequence[int] = (64, 64), name: str = r"V_\phi", encoder: Any = None) -> Any:
    """A value "v | s".

    Args:
        spaces: ``spaces.observation``.
        hidden: the sizes of the hidden layers, see :func:`default_actor`.
        name: how it prints.
        encoder: what encodes the observation: the value is then "v | e", one linear layer.
    """
    if encoder is not None:
        return Deterministic(f"v | {encoder.variable}", mlp(event_size(encoder.handle.module), 1), name=name)
    return Deterministic("v | s", perceiving(spaces.observation, hidden, 1), name=name)


def default_encoder(spaces: Any, hidden: Sequence[int] = (64, 64), name: str = r"f_\psi") -> Any:
    """A vector "e | s" that policy and value both look at; its layers are those that they would have had each.

    Args:
        spaces: ``spaces.observation``.
        hidden: the sizes of the layers, see :func:`default_actor`; the last one is that of the vector.
        name: how it prints.
    """
    seen = spaces.observation
    if getattr(seen, "is_image", False):
        network = Chain(cnn(seen.shape, FEATURES, last_gain=math.sqrt(2)), nn.ReLU())
    elif not hidden:
        raise ExpressionError("a shared encoder has the layers 'hidden', and there is none: write hidden=(64,)")
    else:
        network = Chain(perceiving(seen, hidden[:-1], hidden[-1], last_gain=math.sqrt(2)), Tanh())
    return Deterministic("e | s", network, name=name, rank=1)


def encoder_of(shared: Any, spaces: Any, hidden: Sequence[int]) -> Any:
    """What actor and critic share: nothing, the default encoder, or one of the user's own.

    Args:
        shared: False, True, or a distribution "e | s" with a vector as its value.
        spaces: see :func:`default_encoder`.
        hidden: see :func:`default_encoder`.

    Errors:
        ExpressionError for anything else, and for a distribution whose value is not certain.
    """
    if isinstance(shared, bool):
        return default_encoder(spaces, hidden) if shared else None
    found = lift(shared) if hasattr(shared, "get_log_prob") else shared
    if not isinstance(found, Deterministic) or found.rank != 1:
        raise ExpressionError(
            f"shared_encoder={shared!r}: write True, or an encoder with a vector as its value, as in "
            "pr.Deterministic('e | s', network, rank=1)"
        )
    return found


def perceiving(seen: Any, hidden: Sequence[int], outputs: int, last_gain: float = 1.0) -> nn.Module:
    """A network from whatever is seen to some numbers: pictures by convolutions, all else by a perceptron.

    Args:
        seen: an array (``shape``), whole numbers (``sizes``), or a dict of these (``entries``).
        hidden: the sizes of the hidden layers.
        outputs: how many numbers.
        last_gain: gain of the last layer's weights.
    """
    if getattr(seen, "is_image", False):
        return cnn(seen.shape, FEATURES, outputs, last_gain=last_gain)
    is_array = not hasattr(seen, "sizes") and not hasattr(seen, "entries")
    if is_array and len(getattr(seen, "shape", (1,))) == 1:
        return mlp(seen.size, *hidden, outputs, last_gain=last_gain)
    first, size = _vector_of(seen)
    return Chain(first, mlp(size, *hidden, outputs, last_gain=last_gain))


def _vector_of(seen: Any) -> tuple[nn.Module, int]:
    """A network that makes one vector of what is seen, and its size."""
    if hasattr(seen, "entries"):
        parts = {name: _vector_of(part) for name, part in seen.entries}
        return Joined({name: network for name, (network, _) in parts.items()}), sum(size for _, size in parts.values())
    if hasattr(seen, "sizes"):
        return OneHot(seen.sizes, seen.start, seen.shape), seen.size
    if seen.is_image:
        return Chain(cnn(seen.shape, FEATURES // 2, last_gain=math.sqrt(2)), nn.ReLU()), FEATURES // 2
    return Flat(seen.shape), seen.size

"""Whether a policy of the user's own can act in an environment: said before anything is played."""

from __future__ import annotations

from typing import Any

from torch import nn

from probrl.distributions import Categorical
from probrl.envs import Spaces
from probrl.errors import DataError

_TAKES = {
    0: "one whole number per step, as pr.Categorical gives",
    1: "a vector per step, as pr.Normal, pr.TanhNormal, pr.Beta, pr.MultiDiscrete and pr.Bernoulli(rank=1) give",
}


def check_actor(actor: Any, spaces: Spaces) -> None:
    """Refuses a policy whose actions are numbers where vectors are taken, the reverse, and one of other choices.

    Errors:
        DataError naming the policy and the action space.
    """
    rank, needed = getattr(actor, "rank", None), len(spaces.action.drawn)
    if not isinstance(rank, int):
        return
    if rank == needed:
        _check_choices(actor, spaces)
        return
    kind = "vectors" if rank else "single numbers"
    raise DataError(
        f"the actor {getattr(actor, 'notation', actor)} draws {kind}, and the action space {_named(spaces)} takes "
        f"{_TAKES[needed]}"
    )


def _check_choices(actor: Any, spaces: Spaces) -> None:
    network, there_are = getattr(actor, "net", None), getattr(spaces.action, "n", None)
    last = network[-1] if isinstance(network, nn.Sequential) and len(network) else network
    choices = getattr(last, "out_features", None)  # of a network of another make nobody can say
    if isinstance(actor, Categorical) and isinstance(choices, int) and choices != there_are:
        raise DataError(
            f"the actor {actor.notation} chooses among {choices}, and the action space {_named(spaces)} has {there_are}"
        )


def _named(spaces: Spaces) -> str:
    action: Any = spaces.action
    size = action.n if hasattr(action, "n") else list(action.sizes) if hasattr(action, "sizes") else action.dim
    name = {"Continuous": "Box"}.get(type(action).__name__, type(action).__name__)
    return f"{name}({size})"

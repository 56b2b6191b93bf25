"""Whether a policy of the user's own can act in an environment: said before anything is played."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from probrl.distributions import Categorical
from probrl.envs import Choices, Entries, Seen, Spaces
from probrl.errors import DataError, ProbrlError
from probrl.expr.operators import symbols
from probrl.training.acting import sampler
from probrl.training.observing import to_tensors
from probrl.training.rest import at_rest

if TYPE_CHECKING:
    from probrl.training.agent import Agent

ROWS = 2  # of observations that parts of the user's own are tried on

_TAKES = {
    0: "one whole number per step, as pr.Categorical gives",
    1: "a vector per step, as pr.Normal, pr.TanhNormal, pr.Beta, pr.MultiDiscrete and pr.Bernoulli(rank=1) give",
}


def check_actor(actor: Any, spaces: Spaces) -> None:
    """Refuses a policy whose actions are numbers where vectors are taken, the reverse, and one of other choices.

    Errors:
        DataError naming the policy and the action space.
    """
    drawn = list(getattr(actor, "var", ["a"]))
    if drawn != ["a"]:
        raise DataError(
            f"the actor {getattr(actor, 'notation', actor)} draws {', '.join(drawn)}: what is done is called a, as in 'a | s'"
        )
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


def check_by_trying(agent: Agent) -> None:
    """Lets parts of the user's own say something of two observations, before anything is played.

    Weights and random streams are left as they are.

    Errors:
        DataError naming the part, what it was handed and what is wrong with that, or with what it gives.
    """
    networks = [net for net in agent.networks().values() if not _waits(net)]
    if len(networks) < len(agent.networks()):
        return  # lazy layers take their sizes from what they see first
    device, seen = agent.settings.device, agent.spaces.observation
    rows = to_tensors(seen, _observations(seen), device)
    own, see = torch.Generator(device).manual_seed(0), agent.normalization.observe
    with torch.no_grad(), torch.random.fork_rng(devices=[]), at_rest(*networks):
        act = sampler(agent.actor, own, agent.encoder, see)
        _tried("actor", agent.actor, agent.spaces.action.drawn, agent, lambda: act(rows)[0])
        if hasattr(agent.critic, "var"):  # a critic is asked as a formula
            s = symbols("s")
            value = agent.critic(s if agent.encoder is None else agent.encoder(s))
            _tried("critic", agent.critic, (), agent, lambda: value({"s": rows if see is None else see(rows)}))


def _observations(seen: Seen) -> Any:
    """Zeros, or the first of the classes."""
    if isinstance(seen, Entries):
        return {name: _observations(part) for name, part in seen.entries}
    first = np.array(seen.start).reshape(seen.shape) if isinstance(seen, Choices) else 0
    return np.zeros((ROWS, *seen.shape), seen.dtype) + first


def _waits(network: nn.Module) -> bool:
    return any(isinstance(p, nn.parameter.UninitializedParameter) for p in network.parameters())


def _tried(part: str, whose: Any, shape: tuple[int, ...], agent: Agent, call: Callable[[], Tensor]) -> None:
    name, seen = getattr(whose, "notation", whose), agent.spaces.observation.shape
    says = "draws no action" if part == "actor" else "says no one number"
    wrong = f"the {part} {name} {says} for each of {ROWS} observations {seen}"
    try:
        found = tuple(call().shape)
    except (ProbrlError, ValueError, RuntimeError, TypeError, IndexError, KeyError) as error:
        raise DataError(f"{wrong}: {' '.join(str(error).split())}") from error
    if found != (ROWS, *shape):
        raise DataError(f"{wrong}: what it gives has the shape {found}, and {(ROWS, *shape)} is due")


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

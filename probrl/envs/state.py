r"""Environments written down in the middle of their episodes, and going on from there bit for bit.

How the state of a copy is had, in this order:

- its class has methods ``state()`` and ``set_state(state)``: they are asked;
- everything that it and its wrappers hold is numbers, arrays, containers or generators: the attributes are taken, as
  are the arrays of a MuJoCo simulation;
- else the episode under way is played again from the numbers and generators that it started from and the actions since,
  and everything that it shows must be as it was.

A vector environment that steps all copies in one call is asked, or told by its attributes, in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from probrl.envs.copy import Copy
from probrl.envs.levels import levels, put, take
from probrl.envs.parallel import ParallelEnv
from probrl.envs.plain import NotPlain, Reader, Writer
from probrl.errors import EnvironmentError

if TYPE_CHECKING:
    from probrl.envs.vector import Environments

State = dict[str, Any]
MADE = ("env_fns", "envs", "autoreset_mode", "observation_mode")  # of gymnasium's own vector environment
SHOWN = ("_env_obs", "_observations", "_rewards")  # what the next step writes anew


def state_of(environments: Environments) -> State:
    """Everything that the environments need to go on, in plain types and tensors; see :meth:`Environments.state`."""
    common = {
        "name": environments.name,
        "num_envs": environments.num_envs,
        "resets": environments.resets,
        "steps": environments.steps,
        "looked": not environments._bounds.strict,
        "started": environments.started,
        "over": Writer().write(environments._over),
        "episodes": environments.episodes.state(),
    }
    if not environments.started:
        return {"kind": "exact", "reason": None, **common}
    try:
        vector = take(_vector_levels(environments.vector), _constant(environments.vector))
        copies = _copies_state(environments.vector)
    except (NotPlain, EnvironmentError, gymnasium.error.Error, OSError, EOFError) as error:
        return {"kind": "none", "reason": f"{environments.name}: {' '.join(str(error).split())}", **common}
    kinds = [copy["kind"] for copy in copies]
    kind = next((k for k in ("none", "replay") if k in kinds), "exact")
    reason = next((copy["reason"] for copy in copies if copy["kind"] == "none"), None)
    reason = reason and f"{environments.name}: {reason}"
    return {"kind": kind, "reason": reason, "vector": vector, "copies": copies, **common}


def put_state(environments: Environments, state: State) -> None:
    """Lets the environments go on from a state; see :meth:`Environments.set_state`."""
    here = (environments.name, environments.num_envs)
    if (state["name"], state["num_envs"]) != here:
        raise EnvironmentError(
            f"the state is of {state['num_envs']} of {state['name']}, here are {here[1]} of {here[0]}"
        )
    environments.episodes.set_state(state["episodes"])
    environments.started = False  # until everything below went well
    if state["kind"] == "none":
        raise EnvironmentError(str(state["reason"]))
    environments.resets, environments.steps = state["resets"], state["steps"]
    environments._bounds.strict = not state["looked"]
    if not state["started"]:
        return
    try:
        _put_copies(environments.vector, state["copies"])
        put(_vector_levels(environments.vector), state["vector"], _constant(environments.vector))
    except (NotPlain, ValueError, TypeError, AttributeError, KeyError) as error:
        raise EnvironmentError(f"{environments.name} cannot go on: {' '.join(str(error).split())}") from error
    environments._over = Reader().read(state["over"])
    environments._any_over = bool(environments._over.any())
    environments.started = True


def name_copies(vector: VectorEnv, name: str) -> None:
    """Lets the copies that step in this process say who they are, and tell their state."""
    base = innermost(vector)
    if isinstance(base, SyncVectorEnv):
        base.envs = [env if isinstance(env, Copy) else Copy(env, i, name) for i, env in enumerate(base.envs)]


def innermost(vector: VectorEnv) -> VectorEnv:
    """What the wrappers of a vector environment wrap."""
    return levels(vector)[-1]


def _constant(vector: VectorEnv) -> tuple[str, ...]:
    base = innermost(vector)
    if not isinstance(base, SyncVectorEnv):
        return ()
    return MADE if base.autoreset_mode is AutoresetMode.DISABLED else (*MADE, *SHOWN)


def _vector_levels(vector: VectorEnv) -> list[Any]:
    found = levels(vector)
    if isinstance(found[-1], ParallelEnv):
        return found[:-1]  # all of its state is in the copies
    if isinstance(found[-1], AsyncVectorEnv):
        raise NotPlain("other processes hold its copies: hand over what makes one, with vectorization='async'")
    return found


def _copies_state(vector: VectorEnv) -> list[State]:
    base = innermost(vector)
    if isinstance(base, ParallelEnv):
        return list(base.call("kept_state"))
    if not isinstance(base, SyncVectorEnv):
        return []
    return [copy.kept_state() for copy in base.envs if isinstance(copy, Copy)]


def _put_copies(vector: VectorEnv, states: list[State]) -> None:
    base = innermost(vector)
    if not isinstance(base, (SyncVectorEnv, ParallelEnv)):
        vector.reset(seed=0)  # makes what only a reset makes; all of it is written over
        return
    if isinstance(base, ParallelEnv):
        answers = list(base.call("take_state", states))
    else:
        answers = [copy.take_state(states) for copy in base.envs if isinstance(copy, Copy)]
    for answer in answers:
        if answer is not None:
            raise NotPlain(answer)

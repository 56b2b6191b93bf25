"""Playing: the loop in which environment and policy meet, written for little Python time per step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from probrl.data import Rollout
from probrl.envs import Environments, Spaces
from probrl.envs.vector import Transition
from probrl.errors import EnvironmentError
from probrl.nested import each
from probrl.training.acting import Acting, Sampler
from probrl.training.packing import arrays, packed
from probrl.training.rest import at_rest

Array = np.ndarray[Any, Any]


def empty_rollout(spaces: Spaces, num_envs: int, steps: int) -> Rollout:
    """Columns that fit the environment's spaces."""
    seen, action = spaces.observation, spaces.action
    return Rollout(num_envs, steps, seen.shape, action.drawn, action.whole, seen.dtype)


class Collector:
    """Plays environments with a policy and keeps where they are between rollouts.

    Args:
        environments: what is played.
        act: one call per step: observations to actions and their log-probabilities.
        steps: how many steps of every environment make a rollout.
        seed: of the first reset.
        device: where the policy lives.
        networks: gives those that are at rest while they are asked: a layer that normalises over a batch knows no batch
            in what a few environments show.
    """

    def __init__(
        self,
        environments: Environments,
        act: Sampler,
        steps: int,
        seed: int | None = None,
        device: str = "cpu",
        networks: Callable[[], Iterable[nn.Module]] = tuple,
    ) -> None:
        self.environments, self.act, self.device = environments, act, torch.device(device)
        self._networks = networks
        self.rollout = empty_rollout(environments.spaces, environments.num_envs, steps)
        self._observation: Any = None
        self._seed, self._resets = seed, -1
        self.vector_steps = 0

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Fills the rollout, going on where the last one stopped.

        Errors:
            EnvironmentError naming the vector step if an environment raises; NonFiniteError for NaN and infinity.
        """
        self.rollout.clear()
        observation, self._observation = self._observation, None  # unless the rollout ends well, episodes begin anew
        if observation is None or self._resets != self.environments.resets:
            # at first, and when an evaluation has played the very same environments in between
            observation = self.environments.reset(self._seed)
            self._seed, self._resets = None, self.environments.resets
        quick = self._quick(observation)
        if quick is None:
            with at_rest(*self._networks()):
                observation = self._play(observation)
        else:  # plain layers are the same at rest
            observation = self._play_quickly(quick, observation)
        begun = self.vector_steps - self.rollout.steps
        self.rollout.check_finite(begun)
        self.environments.check(self.rollout.columns()["s"], begun)
        self._observation = observation
        return self.rollout

    def _quick(self, observation: Any) -> Callable[[Array], Array] | None:
        """What acts without torch, where that is possible and saves time."""
        if not isinstance(self.act, Acting) or not isinstance(observation, np.ndarray):
            return None
        return self.act.quickly(self.rollout.steps, self.rollout.observe(observation).to(self.device))

    def _play_quickly(self, act: Callable[[Array], Array], observation: Any) -> Any:
        rollout, step = self.rollout, self._step
        observe, record = rollout.observe_array, rollout.record
        for _ in range(rollout.steps):
            action = act(observe(observation))
            taken = step(action)
            observation = taken.observation
            record(action, None, *taken[1:])
        assert isinstance(self.act, Acting)
        rollout.put_log_probs(self.act.rest()[0])
        return observation

    def _play(self, observation: Any) -> Any:
        rollout, step, act = self.rollout, self._step, self.act
        on_cpu = self.device.type == "cpu"
        if isinstance(act, Acting):
            act.prepare(rollout.steps)
        while not rollout.full:
            seen = rollout.observe(observation)
            action, log_prob = act(seen if on_cpu else each(lambda x: x.to(self.device), seen))
            if not on_cpu:
                action, log_prob = action.cpu(), log_prob.cpu()
            done = action.numpy()
            taken = step(done)
            observation = taken.observation
            rollout.record(done, log_prob.numpy(), *taken[1:])
        return observation

    def _step(self, action: Array) -> Transition:
        try:
            self.vector_steps += 1
            return self.environments.step(action)
        except EnvironmentError:  # it names the environment and the step already
            raise
        except Exception as error:
            raise EnvironmentError(
                f"{self.environments.name} raised {type(error).__name__} at vector step {self.vector_steps - 1}: "
                f"{' '.join(str(error).split())}"
            ) from error

    def state(self) -> dict[str, Any]:
        """Where the playing stands between two rollouts: observations, environments, episodes; plain types and tensors."""
        begins = self._observation is None or self._resets != self.environments.resets
        untouched = begins and self._seed is not None  # there is nothing yet to go on with
        return {
            "name": self.environments.name,
            "num_envs": self.environments.num_envs,
            "seed": self._seed,
            "vector_steps": self.vector_steps,
            "observation": None if begins else packed(self._observation),
            "environments": None if untouched else self._environments_state(),
        }

    def _environments_state(self) -> dict[str, Any]:
        here = self.environments
        try:
            return here.state()
        except Exception as error:  # of a user's own state(): a checkpoint without it is better than none
            reason = f"{here.name} could not say its state ({type(error).__name__}: {' '.join(str(error).split())})"
            common = {"name": here.name, "num_envs": here.num_envs, "episodes": here.episodes.state()}
            return {"kind": "none", "reason": reason, **common}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on where another one stopped.

        Errors:
            EnvironmentError if the environments are others, or cannot go on; then the next rollout begins new episodes.
        """
        self.vector_steps = state["vector_steps"]
        here = self.environments
        if (state["name"], state["num_envs"]) != (here.name, here.num_envs):
            raise EnvironmentError(
                f"they were {state['num_envs']} of {state['name']} and are {here.num_envs} of {here.name}"
            )
        if state["environments"] is None:
            self._seed = state["seed"]
            return
        here.set_state(state["environments"])
        self._seed, self._observation, self._resets = None, arrays(state["observation"]), here.resets

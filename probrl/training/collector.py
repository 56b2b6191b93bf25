"""Playing: the loop in which environment and policy meet, written for little Python time per step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from probrl.data import Rollout
from probrl.envs import Environments, Spaces
from probrl.errors import EnvironmentError
from probrl.training.acting import Acting, Sampler


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
    """

    def __init__(
        self, environments: Environments, act: Sampler, steps: int, seed: int | None = None, device: str = "cpu"
    ) -> None:
        self.environments, self.act, self.device = environments, act, torch.device(device)
        self.rollout = empty_rollout(environments.spaces, environments.num_envs, steps)
        self._observation: np.ndarray[Any, Any] | None = None
        self._seed, self._resets = seed, -1
        self.vector_steps = 0

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Fills the rollout, going on where the last one stopped.

        Errors:
            EnvironmentError naming the vector step if an environment raises; NonFiniteError for NaN and infinity.
        """
        rollout, step, act = self.rollout, self.environments.step, self.act
        on_cpu = self.device.type == "cpu"
        rollout.clear()
        if self._observation is None or self._resets != self.environments.resets:
            # at first, and when an evaluation has played the very same environments in between
            self._observation = self.environments.reset(self._seed)
            self._seed, self._resets = None, self.environments.resets
        observation = self._observation
        if isinstance(act, Acting):
            act.prepare(rollout.steps)
        while not rollout.full:
            seen = rollout.observe(observation)
            action, log_prob = act(seen if on_cpu else seen.to(self.device))
            if not on_cpu:
                action, log_prob = action.cpu(), log_prob.cpu()
            done = action.numpy()
            try:
                observation, reward, after, terminated, truncated, valid = step(done)
            except EnvironmentError:  # it names the environment and the step already
                raise
            except Exception as error:
                self._observation = None
                raise EnvironmentError(
                    f"{self.environments.name} raised {type(error).__name__} at vector step {self.vector_steps}: "
                    f"{' '.join(str(error).split())}"
                ) from error
            rollout.record(done, log_prob.numpy(), reward, after, terminated, truncated, valid)
            self.vector_steps += 1
        self._observation = observation
        rollout.check_finite()
        return rollout

"""Environments whose optimum and whose transitions are known in closed form."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium import spaces


class Known(gymnasium.Env):
    """Base: a box of observations, some actions."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Discrete(2)


class OneStep(Known):
    """One step; the reward is the action. Best return 1."""

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.ones(1, np.float32), float(action), True, False, {}


class Echo(Known):
    """One step; the reward is 1 if the action equals the sign of what was seen. Best return 1."""

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seen = int(self.np_random.integers(2))
        return np.array([2.0 * self.seen - 1], np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), float(action == self.seen), True, False, {}


class Delayed(Known):
    """Three steps; the reward comes with the last and is 1 if the *first* action was 1. Best return 1."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def _see(self):
        return np.array([self.t, self.first], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.first = 0, 0
        return self._see(), {}

    def step(self, action):
        if self.t == 0:
            self.first = int(action)
        self.t += 1
        return self._see(), float(self.first) if self.t == 3 else 0.0, self.t == 3, False, {}


class Turns(Known):
    """Four steps; the reward is 1 where the action is that of the time: 0, 0, 1, 1. Best return 4."""

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        reward = float(action == self.t // 2)
        self.t += 1
        return np.full(1, self.t, np.float32), reward, self.t == 4, False, {}


class Patience(Known):
    """Action 1 takes 1 now and ends; action 0 waits one step for ``later``. Waiting pays only if gamma * later > 1."""

    def __init__(self, later: float = 2.0) -> None:
        self.later = later

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        seen = np.full(1, self.t, np.float32)
        if self.t == 1 and action == 0:
            return seen, 0.0, False, False, {}
        return seen, 1.0 if self.t == 1 else self.later, True, False, {}


class Endless(Known):
    """Reward 1 for ever, cut after ``limit`` steps: the value is 1 / (1 - gamma) only if a cut is no end."""

    def __init__(self, limit: int = 5, terminates: bool = False) -> None:
        self.limit, self.terminates = limit, terminates

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        over = self.t >= self.limit
        return np.zeros(1, np.float32), 1.0, over and self.terminates, over and not self.terminates, {}


class Target(Known):
    """One step with a real action; the reward is minus its squared distance to 0.5. Best return 0."""

    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return np.zeros(1, np.float32), -float((action[0] - 0.5) ** 2), True, False, {}


class Cut(gymnasium.Wrapper):
    """The same environment, but what would terminate is cut: the future is not seen, not absent."""

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, False, terminated or truncated, info


class Clock(Known):
    """Counts: the observation is (episode, step), the reward 10 * episode + step; ends after ``lengths`` in turn.

    Episodes of odd number are truncated, those of even number terminate.
    """

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def __init__(self, lengths=(3, 2)) -> None:
        self.lengths, self.episode = lengths, -1

    def _see(self):
        return np.array([self.episode, self.t], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.t = self.episode + 1, 0
        return self._see(), {}

    def step(self, action):
        self.t += 1
        over = self.t == self.lengths[self.episode % len(self.lengths)]
        odd = self.episode % 2 == 1
        return self._see(), 10.0 * self.episode + self.t, over and not odd, over and odd, {}


class Broken(Known):
    """Raises, or gives NaN, after some steps."""

    def __init__(self, after: int = 3, how: str = "raise") -> None:
        self.after, self.how = after, how

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        bad = self.t > self.after
        if bad and self.how == "raise":
            raise RuntimeError("the simulator\nfell over")
        seen = np.full(1, np.nan if bad and self.how == "observation" else 0.0, np.float32)
        return seen, np.nan if bad and self.how == "reward" else 0.0, False, False, {}

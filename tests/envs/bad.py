"""Environments that break the contract, each in one way, after some good steps."""

from __future__ import annotations

import os

import gymnasium
import numpy as np
from gymnasium import spaces

AFTER = 3  # good steps


class Good(gymnasium.Env):
    """Base: shows two numbers within -1 and 1, never ends."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Discrete(2)
    bad = True  # one copy among others may be good

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.t += 1
        if self.bad and self.t > AFTER:
            return self.broken()
        return np.zeros(2, np.float32), 0.0, False, False, {}

    def broken(self):
        return np.zeros(2, np.float32), 0.0, False, False, {}


class RaisesInStep(Good):
    def broken(self):
        raise RuntimeError("the simulator\nfell over")


class OldApi(Good):
    def broken(self):
        return np.zeros(2, np.float32), 0.0, False, {}


class OtherShape(Good):
    def broken(self):
        return np.zeros(3, np.float32), 0.0, False, False, {}


class OtherKind(Good):
    observation_space = spaces.Box(0, 200, (2,), np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.uint8), {}

    def step(self, action):
        observation, *rest = super().step(action)
        return observation if self.t > AFTER and self.bad else observation.astype(np.uint8), *rest


class NoArray(Good):
    def broken(self):
        return [[1.0], [1.0, 2.0]], 0.0, False, False, {}


class RewardOfWords(Good):
    def broken(self):
        return np.zeros(2, np.float32), "much", False, False, {}


class Outside(Good):
    def broken(self):
        return np.array([0, 7], np.float32), 0.0, False, False, {}


class FarOutside(Good):
    def broken(self):
        return np.array([0, 7000], np.float32), 0.0, False, False, {}


class NanAtReset(Good):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.array([0, np.nan], np.float32), {}


class NanSeen(Good):
    def broken(self):
        return np.array([np.nan, 0], np.float32), 0.0, False, False, {}


class InfiniteReward(Good):
    def broken(self):
        return np.zeros(2, np.float32), -np.inf, False, False, {}


class Dies(Good):
    def broken(self):
        os._exit(3)


class RaisesInReset(Good):
    def reset(self, *, seed=None, options=None):
        if self.bad:
            raise OSError("no licence")
        return super().reset(seed=seed)


class NoPair(Good):
    def reset(self, *, seed=None, options=None):
        first = super().reset(seed=seed)
        return first[0] if self.bad else first


class OutsideAtReset(Good):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.array([0, 1.5], np.float32), {}


class NoChoice(Good):
    observation_space = spaces.Discrete(3, start=1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 1, {}

    def step(self, action):
        self.t += 1
        return 1 if self.t <= AFTER else 4, 0.0, False, False, {}

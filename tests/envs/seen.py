"""One-step environments with a known optimum, 1, for what may be seen and done."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium import spaces


class Asked(gymnasium.Env):
    """Base: shows a question, pays for the answer, ends."""

    observation_space = spaces.Box(-1, 1, (1,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.bit = int(self.np_random.integers(2))
        return self.question(), {}

    def question(self):
        return np.array([2.0 * self.bit - 1], np.float32)

    def answered(self, action) -> float:
        return float(action == self.bit)

    def step(self, action):
        assert self.action_space.contains(np.asarray(action)), action
        return self.question(), self.answered(action), True, False, {}


class Buttons(Asked):
    """Two dials, of two and of three positions: the first shall repeat what is seen, the second points at its middle."""

    action_space = spaces.MultiDiscrete([2, 3], start=[0, 1])

    def answered(self, action) -> float:
        return 0.5 * (action[0] == self.bit) + 0.5 * (action[1] == 2)


class Switches(Asked):
    """Three switches: on, off, and what is seen."""

    action_space = spaces.MultiBinary(3)

    def answered(self, action) -> float:
        return float(np.mean(action == np.array([1, 0, self.bit])))


class Single(Asked):
    """One number is seen, a number of no dimensions, and one is answered: the same."""

    observation_space = action_space = spaces.Box(-1, 1, ())

    def question(self):
        return np.float32(2 * self.bit - 1)

    def answered(self, action) -> float:
        return 1.0 - abs(float(action) - (2 * self.bit - 1))


class Numbered(Asked):
    """The question is the number of a class."""

    observation_space = spaces.Discrete(2, start=7)

    def question(self):
        return np.int64(7 + self.bit)


class Several(Asked):
    """Two classes and two numbers in a nested dict: the answer is whether the class is the sign of the second number."""

    observation_space = spaces.Dict(
        kind=spaces.Discrete(2), inside=spaces.Dict(noise=spaces.Box(-1, 1, (2, 1)), sign=spaces.Box(-1, 1, (1,)))
    )

    def question(self):
        kind = int(self.np_random.integers(2))
        sign = 1.0 if kind == self.bit else -1.0
        noise = self.np_random.uniform(-1, 1, (2, 1)).astype(np.float32)
        return {"kind": kind, "inside": {"noise": noise, "sign": np.array([sign], np.float32)}}


class Bright(Asked):
    """A picture of 36 by 36 pixels: one half is bright."""

    observation_space = spaces.Box(0, 255, (36, 36, 1), np.uint8)

    def question(self):
        picture = self.np_random.integers(0, 60, (36, 36, 1)).astype(np.uint8)
        picture[:, 18:] += np.uint8(190 * self.bit)
        picture[:, :18] += np.uint8(190 * (1 - self.bit))
        return picture


class FarAway(Asked):
    """The question is a small difference between large numbers: 10,000 and 10,002."""

    observation_space = spaces.Box(0, np.inf, (1,))

    def question(self):
        return np.array([10_000.0 + 2 * self.bit], np.float32)

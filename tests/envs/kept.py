"""Environments that keep their state in all sorts of places."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from tests.envs.known import Known


class Walker(Known):
    """Base: a random walk that ends at random, and is cut after 20 steps; the state is where the subclass keeps it."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def draw(self):
        return float(self.np_random.normal())

    def see(self, x, t):
        return np.array([x, t], np.float32)

    def move(self, x, t, action):
        x += self.draw() * (1 + int(action))
        return x, t + 1, bool(abs(x) > 8), t + 1 >= 20


class InAttributes(Walker):
    """In numbers, arrays, containers and generators of its own; counts its episodes."""

    def __init__(self):
        self.own, self.episode, self.table = np.random.default_rng(5), 0, {"visits": [0, 0], 3: (1, None)}

    def draw(self):
        return float(self.own.normal()) + float(self.np_random.normal())

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode += 1
        self.x, self.t, self.path = np.float32(self.episode), 0, np.zeros(20)
        return self.see(self.x, self.t), {}

    def step(self, action):
        self.table["visits"][int(action)] += 1
        x, self.t, dead, cut = self.move(float(self.x), self.t, action)
        self.x, self.path[self.t - 1] = np.float32(x), x
        return self.see(self.x, self.t), float(self.path.sum()) + self.table["visits"][1], dead, cut, {}


class Body:
    """What a simulator in another language looks like from here: a thing that cannot be looked into."""

    __slots__ = ("t", "x")


class InSimulator(Walker):
    """In an object that cannot be told; the episode is decided by generator and actions. Counts its episodes."""

    episode = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode += 1
        self.body = Body()
        self.body.x, self.body.t = float(self.np_random.normal()) + self.episode, 0
        return self.see(self.body.x, 0), {}

    def step(self, action):
        self.body.x, self.body.t, dead, cut = self.move(self.body.x, self.body.t, action)
        return self.see(self.body.x, self.body.t), self.body.x, dead, cut, {}


class Remembering(InSimulator):
    """As before, but a new episode begins where the simulator was left: it cannot be played again on its own."""

    def reset(self, *, seed=None, options=None):
        left = getattr(self, "body", None)
        super().reset(seed=seed)
        if left is not None:
            self.body.x += left.x
        return self.see(self.body.x, 0), {}


class FromAnywhere(InSimulator):
    """As before, but draws from a generator that nobody knows of."""

    def draw(self):
        return float(np.random.default_rng().normal())


class Shared(Walker):
    """In attributes, but draws from the generator that the whole process shares."""

    def draw(self):
        return float(np.random.normal())

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t = 0.0, 0
        return self.see(self.x, self.t), {}

    def step(self, action):
        self.x, self.t, dead, cut = self.move(self.x, self.t, action)
        return self.see(self.x, self.t), self.x, dead, cut, {}


class Telling(InSimulator):
    """In a simulator that its own methods can write down and set."""

    def state(self):
        return {"x": self.body.x, "t": self.body.t, "episode": self.episode}

    def set_state(self, state):
        self.body = Body()
        self.body.x, self.body.t, self.episode = state["x"], state["t"], state["episode"]


class Seeing(Known):
    """Shows a dict: a counter and a picture. The reward is the counter; ends after 4 steps, every second time cut."""

    observation_space = spaces.Dict(
        count=spaces.Box(0, 100, (2,), np.float32), picture=spaces.Box(0, 255, (2, 2, 1), np.uint8)
    )
    episode = -1

    def see(self):
        return {"count": np.array([self.episode, self.t], np.float32), "picture": np.full((2, 2, 1), self.t, np.uint8)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.t = self.episode + 1, 0
        return self.see(), {}

    def step(self, action):
        self.t += 1
        over, odd = self.t == 4, self.episode % 2 == 1
        return self.see(), float(self.t), over and not odd, over and odd, {}


class WithData(InAttributes):
    """As in attributes, beside a large table that is only read, one that is written to, and one of every episode."""

    cells = 10_000

    def __init__(self):
        super().__init__()
        self.read, self.written = np.arange(40_000.0), np.zeros(40_000)

    def reset(self, *, seed=None, options=None):
        first = super().reset(seed=seed)
        self.map = self.np_random.normal(size=self.cells)
        return first

    def step(self, action):
        self.written[self.t] += 1
        observation, reward, *rest = super().step(action)
        return observation, reward + self.read[self.t] + self.written[1], *rest


class Stumbling(InSimulator):
    """Its own methods raise."""

    def state(self):
        raise OSError("no licence")

    def set_state(self, state):
        raise OSError("no licence")

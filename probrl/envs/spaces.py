"""What an agent sees and does, as a small frozen description that needs no simulator to be read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np

from probrl.errors import EnvironmentError


@dataclass(frozen=True)
class Observation:
    """An array of numbers.

    Args:
        shape: of one observation.
        dtype: its numpy name; the columns of the data are float32 unless it is an integer type.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def size(self) -> int:
        """How many numbers one observation holds."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Discrete:
    """One of ``n`` choices, 0 to n - 1; the environment's own numbering starts at ``start``."""

    n: int
    start: int = 0

    def executable(self, actions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Choices ``(N,)`` as the environment numbers them."""
        return actions + self.start if self.start else actions


@dataclass(frozen=True)
class Continuous:
    """A vector inside a box; what leaves the box is clipped when it is executed, and only then.

    Args:
        shape: of one action, as the environment takes it; policies and data see it flattened.
        low: the least value of each coordinate, flattened.
        high: the greatest value of each coordinate, flattened.
        dtype: numpy's name of what the environment takes.
    """

    shape: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    dtype: str = "float32"

    @property
    def dim(self) -> int:
        """How many coordinates an action has."""
        return math.prod(self.shape)

    def executable(self, actions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Vectors ``(N, dim)`` clipped into the box, ``(N, *shape)``."""
        low, high = self._bounds
        return np.clip(actions, low, high).astype(low.dtype, copy=False).reshape(-1, *self.shape)

    @cached_property
    def _bounds(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        return np.array(self.low, self.dtype), np.array(self.high, self.dtype)


@dataclass(frozen=True)
class Spaces:
    """What one environment shows and takes."""

    observation: Observation
    action: Discrete | Continuous

    def to_json(self) -> dict[str, Any]:
        """Plain types, for a manifest."""
        o, a = self.observation, self.action
        action: dict[str, Any]
        if isinstance(a, Discrete):
            action = {"kind": "discrete", "n": a.n, "start": a.start}
        else:
            action = {"kind": "continuous", "shape": list(a.shape), "low": list(a.low), "high": list(a.high)}
            action["dtype"] = a.dtype
        return {"observation": {"shape": list(o.shape), "dtype": o.dtype}, "action": action}

    @staticmethod
    def from_json(plain: dict[str, Any]) -> Spaces:
        """Reads back what :meth:`to_json` wrote; KeyError, TypeError or ValueError if it did not write it."""
        o, a = plain["observation"], plain["action"]
        observation = Observation(tuple(int(n) for n in o["shape"]), str(np.dtype(o["dtype"])))
        if a["kind"] == "discrete":
            return Spaces(observation, Discrete(int(a["n"]), int(a["start"])))
        if a["kind"] != "continuous":
            raise ValueError(f"an action of kind {a['kind']!r}")
        bounds = (tuple(float(x) for x in a[side]) for side in ("low", "high"))
        low, high = bounds
        return Spaces(observation, Continuous(tuple(int(n) for n in a["shape"]), low, high, str(np.dtype(a["dtype"]))))


def read_spaces(observation: gymnasium.Space, action: gymnasium.Space) -> Spaces:
    """The description of an environment's two spaces.

    Errors:
        EnvironmentError for a space that no algorithm here can learn from, by its name, with what to do instead.

    Example:
        >>> from gymnasium import spaces
        >>> read_spaces(spaces.Box(-1, 1, (4,)), spaces.Discrete(2))
        Spaces(observation=Observation(shape=(4,), dtype='float32'), action=Discrete(n=2, start=0))
    """
    return Spaces(_observation(observation), _action(action))


_WRAPPED = {
    "Dict": "gymnasium.wrappers.FlattenObservation makes one array of it",
    "Tuple": "gymnasium.wrappers.FlattenObservation makes one array of it",
    "Discrete": "gymnasium.wrappers.FlattenObservation makes it one-hot",
    "MultiDiscrete": "gymnasium.wrappers.FlattenObservation makes it one-hot",
    "MultiBinary": "gymnasium.wrappers.DtypeObservation makes floats of it, declared as a Box",
}


def _observation(space: gymnasium.Space) -> Observation:
    kind = type(space).__name__
    if not isinstance(space, gymnasium.spaces.Box):
        hint = _WRAPPED.get(kind, "wrap the environment with gymnasium.wrappers.TransformObservation")
        raise EnvironmentError(f"observation space {_short(space)} is not supported, only Box is: {hint}")
    if not space.shape or 0 in space.shape:
        raise EnvironmentError(f"observation space {_short(space)} has no numbers: give it a shape")
    return Observation(tuple(int(n) for n in space.shape), str(space.dtype))


def _action(space: gymnasium.Space) -> Discrete | Continuous:
    if isinstance(space, gymnasium.spaces.Discrete):
        return Discrete(int(space.n), int(space.start))
    if not isinstance(space, gymnasium.spaces.Box):
        hint = "only Discrete and Box are: wrap the environment with gymnasium.wrappers.TransformAction"
        raise EnvironmentError(f"action space {_short(space)} is not supported, {hint}")
    if not np.issubdtype(space.dtype, np.floating):
        raise EnvironmentError(f"action space {_short(space)} has whole numbers: make it Discrete or a Box of floats")
    if not space.shape or 0 in space.shape:
        raise EnvironmentError(f"action space {_short(space)} has no numbers: give it a shape")
    if not space.is_bounded("both"):
        raise EnvironmentError(
            f"action space {_short(space)} is unbounded: bound it with gymnasium.wrappers.TransformAction"
        )
    low, high = (tuple(float(x) for x in side.ravel()) for side in (space.low, space.high))
    return Continuous(tuple(int(n) for n in space.shape), low, high, str(space.dtype))


def _short(space: gymnasium.Space) -> str:
    text = " ".join(str(space).split())
    return text if len(text) <= 80 else text[:77] + "..."

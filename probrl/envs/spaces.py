"""What an agent sees and does, as a small frozen description that needs no simulator to be read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


# --- what is seen --------------------------------------------------------------------------------------------------
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

    @property
    def is_image(self) -> bool:
        """Whether it is a picture: bytes in two dimensions, or in three with the channels first or last."""
        return self.dtype == "uint8" and len(self.shape) in (2, 3)

    def to_json(self) -> dict[str, Any]:
        """Plain types, for a manifest."""
        return {"shape": list(self.shape), "dtype": self.dtype}


@dataclass(frozen=True)
class Choices:
    """One or several of a number of classes each, as whole numbers.

    Args:
        sizes: how many classes each has.
        start: the number of the first class of each.
        shape: of one observation: ``()`` for a single class.
    """

    sizes: tuple[int, ...]
    start: tuple[int, ...]
    shape: tuple[int, ...] = ()
    dtype = "int64"

    @property
    def size(self) -> int:
        """How many numbers it is as one-hot vectors, one after the other."""
        return sum(self.sizes)

    def to_json(self) -> dict[str, Any]:
        """Plain types, for a manifest."""
        return {"kind": "choices", "sizes": list(self.sizes), "start": list(self.start), "shape": list(self.shape)}


@dataclass(frozen=True)
class Entries:
    """Several things at once, by name; columns, network inputs and arrays are dicts of these names.

    Args:
        entries: names and what stands there, in the order of the environment's space.
    """

    entries: tuple[tuple[str, Seen], ...]

    @property
    def shape(self) -> dict[str, Any]:
        """The shape of every entry, by name."""
        return {name: part.shape for name, part in self.entries}

    @property
    def dtype(self) -> dict[str, Any]:
        """The numpy name of the type of every entry, by name."""
        return {name: part.dtype for name, part in self.entries}

    @property
    def size(self) -> int:
        """How many numbers all entries hold together."""
        return sum(part.size for _, part in self.entries)

    def to_json(self) -> dict[str, Any]:
        """Plain types, for a manifest."""
        return {"kind": "entries", "entries": [[name, part.to_json()] for name, part in self.entries]}


Seen = Observation | Choices | Entries


# --- what is done --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Discrete:
    """One of ``n`` choices, 0 to n - 1; the environment's own numbering starts at ``start``."""

    n: int
    start: int = 0
    drawn = ()  # the shape of an action as policies and data see it
    whole = True  # whether it is made of whole numbers

    def executable(self, actions: Array) -> Array:
        """Choices ``(N,)`` as the environment numbers them."""
        return actions + self.start if self.start else actions

    def to_json(self) -> dict[str, Any]:
        """Plain types, for a manifest."""
        return {"kind": "discrete", "n": self.n, "start": self.start}


@dataclass(frozen=True)
class MultiDiscrete:
    """Several choices at once, the j-th one of ``sizes[j]``, numbered from 0.

    Args:
        sizes: how many there are for each.
        start: the environment's own number of the first one of each.
        shape: of one action, as the environment takes it; policies and data see it flattened.
    """

    sizes: tuple[int, ...]
    start: tuple[int, ...]
    shape: tuple[int, ...]
    whole = True

    @property
    def drawn(self) -> tuple[int, ...]:
        """The shape of an action as policies and data see it."""
        return (len(self.sizes),)

    def executable(self, actions: Array) -> Array:
        """Choices ``(N, k)`` as the environment numbers them, ``(N, *shape)``."""
        return (actions.astype(np.int64, copy=False) + self._start).reshape(-1, *self.shape)

    @cached_property
    def _start(self) -> Array:
        return np.array(self.start, np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain types, for a manifest."""
        return {
            "kind": "multi_discrete",
            "sizes": list(self.sizes),
            "start": list(self.start),
            "shape": list(self.shape),
        }


@dataclass(frozen=True)
class MultiBinary:
    """Several yes or no at once, as ones and zeros; policies and data see them flattened."""

    shape: tuple[int, ...]
    whole = False

    @property
    def dim(self) -> int:
        """How many there are."""
        return math.prod(self.shape)

    @property
    def drawn(self) -> tuple[int, ...]:
        """The shape of an action as policies and data see it."""
        return (self.dim,)

    def executable(self, actions: Array) -> Array:
        """Ones and zeros ``(N, dim)`` as the environment takes them, ``(N, *shape)``."""
        return (actions > 0.5).astype(np.int8).reshape(-1, *self.shape)

    def to_json(self) -> dict[str, Any]:
        """Plain types, for a manifest."""
        return {"kind": "multi_binary", "shape": list(self.shape)}


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
    whole = False

    @property
    def dim(self) -> int:
        """How many coordinates an action has."""
        return math.prod(self.shape)

    @property
    def drawn(self) -> tuple[int, ...]:
        """The shape of an action as policies and data see it."""
        return (self.dim,)

    def executable(self, actions: Array) -> Array:
        """Vectors ``(N, dim)`` clipped into the box, ``(N, *shape)``."""
        low, high = self._bounds
        return np.clip(actions, low, high).astype(low.dtype, copy=False).reshape(-1, *self.shape)

    @cached_property
    def _bounds(self) -> tuple[Array, Array]:
        return np.array(self.low, self.dtype), np.array(self.high, self.dtype)

    def to_json(self) -> dict[str, Any]:
        """Plain types, for a manifest."""
        bounds = {"low": list(self.low), "high": list(self.high)}
        return {"kind": "continuous", "shape": list(self.shape), **bounds, "dtype": self.dtype}


Done = Discrete | MultiDiscrete | MultiBinary | Continuous


@dataclass(frozen=True)
class Spaces:
    """What one environment shows and takes."""

    observation: Seen
    action: Done

    def to_json(self) -> dict[str, Any]:
        """Plain types, for a manifest."""
        return {"observation": self.observation.to_json(), "action": self.action.to_json()}

    @staticmethod
    def from_json(plain: dict[str, Any]) -> Spaces:
        """Reads back what :meth:`to_json` wrote; KeyError, TypeError or ValueError if it did not write it."""
        return Spaces(_seen(plain["observation"]), _done(plain["action"]))


def _numbers(values: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in values)


def _seen(plain: dict[str, Any]) -> Seen:
    kind = plain.get("kind", "array")
    if kind == "array":
        return Observation(_numbers(plain["shape"]), str(np.dtype(plain["dtype"])))
    if kind == "choices":
        return Choices(_numbers(plain["sizes"]), _numbers(plain["start"]), _numbers(plain["shape"]))
    if kind != "entries":
        raise ValueError(f"an observation of kind {kind!r}")
    return Entries(tuple((str(name), _seen(part)) for name, part in plain["entries"]))


def _done(plain: dict[str, Any]) -> Done:
    kind = plain["kind"]
    if kind == "discrete":
        return Discrete(int(plain["n"]), int(plain["start"]))
    if kind == "multi_discrete":
        return MultiDiscrete(_numbers(plain["sizes"]), _numbers(plain["start"]), _numbers(plain["shape"]))
    if kind == "multi_binary":
        return MultiBinary(_numbers(plain["shape"]))
    if kind != "continuous":
        raise ValueError(f"an action of kind {kind!r}")
    low, high = (tuple(float(x) for x in plain[side]) for side in ("low", "high"))
    return Continuous(_numbers(plain["shape"]), low, high, str(np.dtype(plain["dtype"])))

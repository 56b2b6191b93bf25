"""From gymnasium's spaces to what an agent sees and does; what no algorithm here can learn from is refused by name."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from probrl.envs.spaces import (
    Choices,
    Continuous,
    Discrete,
    Done,
    Entries,
    MultiBinary,
    MultiDiscrete,
    Observation,
    Seen,
    Spaces,
)
from probrl.errors import EnvironmentError
from probrl.nested import parts


def read_spaces(observation: gymnasium.Space, action: gymnasium.Space) -> Spaces:
    """The description of an environment's two spaces.

    Errors:
        EnvironmentError for a space that no algorithm here can learn from, by its name, with what to do instead.

    Example:
        >>> from gymnasium import spaces
        >>> read_spaces(spaces.Box(-1, 1, (4,)), spaces.Discrete(2))
        Spaces(observation=Observation(shape=(4,), dtype='float32'), action=Discrete(n=2, start=0))
    """
    return Spaces(_observation(observation, "observation space"), _action(action))


_SEEN = "Box, Discrete, MultiDiscrete, MultiBinary and Dict of these are"
_TRANSFORM = "wrap the environment with gymnasium.wrappers.TransformObservation"
_INSTEAD = {
    "Tuple": "gymnasium.wrappers.FlattenObservation makes one array of it, or name its parts in a Dict",
    "Text": f"{_TRANSFORM} and turn the characters into a MultiDiscrete of their numbers",
    "Graph": f"{_TRANSFORM} and turn nodes and edges into a Dict of arrays of fixed sizes",
    "Sequence": f"{_TRANSFORM} and fill the sequence up to its greatest length",
    "OneOf": f"{_TRANSFORM} and turn the alternatives into a Dict with one entry that says which",
}


def _observation(space: gymnasium.Space, where: str) -> Seen:
    spaces = gymnasium.spaces
    if isinstance(space, spaces.Dict):
        if not space.spaces:
            raise EnvironmentError(f"{where} {_short(space)} has no entries: give it one")
        entries = tuple((str(k), _observation(v, f"{where}'s {str(k)!r},")) for k, v in space.spaces.items())
        paths = [path for path, _ in parts(Entries(entries).shape)]
        for path in paths:
            if paths.count(path) > 1:
                raise EnvironmentError(f"{where} {_short(space)} has two entries called {path!r}: rename one")
        return Entries(entries)
    if isinstance(space, spaces.Discrete):
        return Choices((int(space.n),), (int(space.start),))
    if isinstance(space, spaces.MultiDiscrete):
        return Choices(_flat(space.nvec), _flat(space.start), _shape(space, where))
    if not isinstance(space, (spaces.Box, spaces.MultiBinary)):
        hint = _INSTEAD.get(type(space).__name__, _TRANSFORM)
        raise EnvironmentError(f"{where} {_short(space)} is not supported, {_SEEN}: {hint}")
    return Observation(_shape(space, where), str(space.dtype))


def _action(space: gymnasium.Space) -> Done:
    spaces, where = gymnasium.spaces, "action space"
    if isinstance(space, spaces.Discrete):
        return Discrete(int(space.n), int(space.start))
    if isinstance(space, spaces.MultiDiscrete):
        return MultiDiscrete(_flat(space.nvec), _flat(space.start), _shape(space, where))
    if isinstance(space, spaces.MultiBinary):
        return MultiBinary(_shape(space, where))
    if not isinstance(space, spaces.Box):
        hint = "wrap the environment with gymnasium.wrappers.TransformAction, so that it takes one vector"
        raise EnvironmentError(
            f"{where} {_short(space)} is not supported, Box, Discrete, MultiDiscrete and MultiBinary are: {hint}"
        )
    if not np.issubdtype(space.dtype, np.floating):
        raise EnvironmentError(f"{where} {_short(space)} has whole numbers: make it MultiDiscrete or a Box of floats")
    shape = _shape(space, where)
    if not space.is_bounded("both"):
        raise EnvironmentError(
            f"{where} {_short(space)} is unbounded: leave gymnasium.wrappers.ClipAction out where that made it so, as "
            "actions are clipped here anyway, or bound it with gymnasium.wrappers.TransformAction"
        )
    low, high = (tuple(float(x) for x in side.ravel()) for side in (space.low, space.high))
    return Continuous(shape, low, high, str(space.dtype))


def _shape(space: gymnasium.Space, where: str) -> tuple[int, ...]:
    # a Box of shape () is one number; of all others, no shape is no number
    shape = space.shape
    if shape is None or 0 in shape or not (shape or isinstance(space, gymnasium.spaces.Box)):
        raise EnvironmentError(f"{where} {_short(space)} has no numbers: give it a shape")
    return tuple(int(n) for n in shape)


def _flat(numbers: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in np.ravel(numbers))


def _short(space: gymnasium.Space) -> str:
    text = " ".join(str(space).split())
    return text if len(text) <= 80 else text[:77] + "..."

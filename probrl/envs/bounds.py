"""Observations against the space that declares them: at every reset, and for a whole rollout at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from probrl.errors import EnvironmentError
from probrl.nested import parts

Array = np.ndarray[Any, Any]
ROUNDING = 1e-4  # of a bound or a width: what single precision and a simulator's last step may exceed
# widths that are let pass: in the first rollout, and once an environment has shown what it does
FIRST, OVERSHOOT = 1.0, 10.0


@dataclass(frozen=True)
class Limits:
    """The bounds of one array of an observation.

    Args:
        name: of the entry, empty where the observation is one array.
        low: the least values as declared, of the observation's shape.
        high: the greatest values.
        width: how far they are apart; 0 for classes.
    """

    name: str
    low: Array
    high: Array
    width: Array

    def outside(self, values: Array, widths: float) -> Array | None:
        """Where values ``(..., *shape)`` are outside by more than so many widths, or None."""
        slack = np.maximum(ROUNDING * np.maximum(1.0, self.width), widths * self.width)
        with np.errstate(invalid="ignore"):
            bad = (values < self.low - slack) | (values > self.high + slack)
        return bad if np.count_nonzero(bad) else None


class Bounds:
    """Everything in a space that has bounds which its type does not have anyway.

    An observation must be inside at every reset. During the first rollout it may leave by the width of its box, later by
    ten times that: simulators overshoot (the hull of BipedalWalker turns further than it declares), and a run shall not
    end for that; what is wrongly declared shows at first, and what has exploded is further off.

    Args:
        space: of one observation.
        name: what the environments are called.

    Errors:
        EnvironmentError naming environment, step, entry, value and bounds.
    """

    def __init__(self, space: gymnasium.Space, name: str) -> None:
        self._name, self._limits = name, list(_limits(space))
        self.strict = True

    def look(self, observations: Any, step: int, reset: bool = False) -> None:
        """Looks at observations of some steps.

        Args:
            observations: ``(N, T, *shape)``, arrays or tensors, or nested dicts of them.
            step: the number of the step whose action the first of them was seen for: the step before gave it, or a reset.
            reset: whether they are of a reset.
        """
        arrays = dict(parts(observations)) if self._limits else {}
        widths = 0.0 if reset else FIRST if self.strict else OVERSHOOT
        for limits in self._limits:
            values = np.asarray(arrays[limits.name])
            bad = limits.outside(values, widths)
            if bad is not None:
                self._refuse(limits, values, tuple(np.argwhere(bad)[0].tolist()), step, reset)

    def _refuse(self, limits: Limits, values: Array, place: tuple[int, ...], step: int, reset: bool) -> None:
        env, later, *inner = place
        when = f"at the reset before step {step}" if reset and not later else f"at step {step + later - 1}"
        entry = f"{limits.name}{inner if inner else ''}" or "it"
        shape = values.shape[2:]
        low, high = (np.broadcast_to(side, shape)[tuple(inner)] for side in (limits.low, limits.high))
        raise EnvironmentError(
            f"{self._name}: environment {env} gave an observation outside its space {when}: "
            f"{entry} is {values[place]:g}, declared is {low:g} to {high:g}"
        )


def _limits(space: gymnasium.Space, name: str = "") -> Iterator[Limits]:
    if isinstance(space, gymnasium.spaces.Dict):
        for key, part in space.spaces.items():
            yield from _limits(part, f"{name}.{key}" if name else key)
    elif isinstance(space, gymnasium.spaces.Box):
        info = np.iinfo(space.dtype) if np.issubdtype(space.dtype, np.integer) else None
        free = info and bool(np.all(space.low == info.min) and np.all(space.high == info.max))
        if not free and not (np.all(np.isneginf(space.low)) and np.all(np.isposinf(space.high))):
            low, high = space.low.astype(np.float64), space.high.astype(np.float64)
            both = np.isfinite(low) & np.isfinite(high)
            with np.errstate(invalid="ignore"):
                width = np.where(both, high - low, 1.0 + np.abs(np.where(np.isfinite(low), low, high)))
            width = np.where(np.isfinite(width), width, 1.0)
            yield Limits(name, low, high, width)
    elif isinstance(space, gymnasium.spaces.Discrete):
        yield Limits(name, np.array(space.start), np.array(space.start + space.n - 1), np.zeros(()))
    elif isinstance(space, gymnasium.spaces.MultiDiscrete):
        yield Limits(name, space.start, space.start + space.nvec - 1, np.zeros(space.shape))
    elif isinstance(space, gymnasium.spaces.MultiBinary):
        yield Limits(name, np.zeros(space.shape), np.ones(space.shape), np.zeros(space.shape))

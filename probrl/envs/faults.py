"""What environments do wrong, in words."""

from __future__ import annotations

import re
from typing import Any

import gymnasium
import numpy as np

NO_PAIR = "gave no pair from reset() at step {}: it returns (observation, info)"


def said(error: Exception, call: str, step: int) -> str:
    """What an exception in ``step`` or ``reset`` says of the environment that raised it, in one line.

    Example:
        >>> said(ValueError("not enough values to unpack (expected 5, got 4)"), "step", 3)[:32]
        'gave 4 values from step() at ste'
    """
    text = " ".join(str(error).split())
    count = re.search(r"values to unpack \(expected 5(?:, got (\d+))?\)", text)
    if call == "step" and count:
        number = count[1] or "more than 5"
        names = "observation, reward, terminated, truncated, info"
        return f"gave {number} values from step() at step {step}, where gymnasium has 5: {names}"
    if call == "step" and "cannot unpack" in text:
        return f"gave no tuple from step() at step {step}"
    if call == "reset" and ("values to unpack (expected 2" in text or "cannot unpack" in text):
        return NO_PAIR.format(step)
    return f"raised {type(error).__name__} in {call}() at step {step}: {text}"


def misfit(space: gymnasium.Space, observation: Any) -> str | None:
    """How an observation differs from its space in shape or kind, or None; values are not looked at.

    Example:
        >>> misfit(gymnasium.spaces.Box(-1, 1, (2,)), np.zeros(3))
        'an observation of shape (3,), declared was (2,)'
    """
    if isinstance(space, gymnasium.spaces.Dict):
        if not isinstance(observation, dict) or observation.keys() != space.spaces.keys():
            names = list(observation) if isinstance(observation, dict) else type(observation).__name__
            return f"an observation of {names}, declared was {list(space.spaces)}"
        faults = ((k, misfit(part, observation[k])) for k, part in space.spaces.items())
        return next((f"in {k!r} {fault}" for k, fault in faults if fault), None)
    if space.shape is None or space.dtype is None:
        return None
    try:
        array = np.asarray(observation)
    except ValueError:
        return f"an observation that is no array, declared was {space}"
    if array.shape != space.shape:
        return f"an observation of shape {array.shape}, declared was {space.shape}"
    if array.dtype != space.dtype and not np.can_cast(array.dtype, space.dtype, "same_kind"):
        return f"an observation of type {array.dtype}, declared was {space.dtype}"
    return None


def misfit_of_all(num_envs: int, **given: Any) -> str | None:
    """How what a vector environment gave with a step differs from one number per environment, or None.

    Args:
        num_envs: how many there are.
        given: ``reward``, ``terminated`` and ``truncated`` as they came.
    """
    for name, value in given.items():
        kind, wanted = ("f", "numbers") if name == "reward" else ("b", "bools")
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        fits = isinstance(dtype, np.dtype) and (dtype.kind == "b" if kind == "b" else dtype.kind in "fiu")
        if shape != (num_envs,) or not fits:
            what = type(value).__name__ if shape is None else f"{dtype} of shape {shape}"
            return f"gave {name} as {what}, where {num_envs} {wanted} are due"
    return None

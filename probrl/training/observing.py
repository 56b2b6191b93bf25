"""Observations as tensors: what a person or an environment hands over, in the types that networks were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probrl.envs import Choices, Entries, Seen
from probrl.errors import DataError
from probrl.nested import each, parts


def to_tensors(seen: Seen, arrays: Any, device: str | torch.device = "cpu") -> Any:
    """Observations of many environments as tensors: whole numbers stay what they are declared as, others are float32.

    Args:
        seen: what one observation is.
        arrays: ``(n, ...)``, or a dict of such arrays.
        device: where they go.
    """
    return each(lambda dtype, array: _tensor(array, dtype).to(device), seen.dtype, arrays)


def _tensor(array: Any, dtype: str) -> Tensor:
    kept = dtype if np.issubdtype(np.dtype(dtype), np.integer) else "float32"
    return torch.from_numpy(np.ascontiguousarray(array, dtype=kept))


def one_or_many(seen: Seen, observation: Any) -> tuple[Any, bool]:
    """Observations as arrays ``(n, ...)``, and whether it was a single one.

    Args:
        seen: what one observation is.
        observation: one observation or many, as arrays, tensors, numbers or dicts of them.

    Errors:
        DataError for another shape, for a dict that lacks an entry, for entries that are not as many as the others, and for
        NaN, infinity, a class that there is not, and fractions where whole numbers are declared.
    """
    arrays, single = _read(seen, observation, "")
    if len(set(single.values())) > 1:
        one = ", ".join(name for name, s in single.items() if s)
        raise DataError(
            f"of this observation, {one} is a single one and the others are many: give one, or as many of each"
        )
    rows = {name: len(array) for name, array in parts(arrays)}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{n} of {name}" for name, n in rows.items())
        raise DataError(f"these observations are {counts}: give as many of each")
    return arrays, next(iter(single.values()))


def _read(seen: Seen, observation: Any, name: str) -> tuple[Any, dict[str, bool]]:
    what = f"the observation's {name!r}" if name else "the observation"
    if isinstance(seen, Entries):
        if not isinstance(observation, Mapping):
            names = ", ".join(key for key, _ in seen.entries)
            raise DataError(f"{what} is a dict with {names}, not a {type(observation).__name__}")
        found: dict[str, Any] = {}
        single: dict[str, bool] = {}
        for key, part in seen.entries:
            if key not in observation:
                raise DataError(f"{what} lacks {key!r}: it has {', '.join(map(str, observation)) or 'nothing'}")
            found[key], inside = _read(part, observation[key], f"{name}.{key}" if name else key)
            single.update(inside)
        return found, single
    try:
        array = _array(observation)
    except ValueError:
        array = np.array(None)  # of things that are not alike
    if array.dtype == object or isinstance(observation, Mapping):
        first = ", of which reset() and step() give it as the first" if isinstance(observation, tuple) else ""
        raise DataError(f"{what} is an array of shape {seen.shape}, not a {type(observation).__name__}{first}")
    one = array.shape == seen.shape
    if not one and array.shape[1:] != seen.shape:
        many = ", ".join(["n", *map(str, seen.shape)])
        whose = "one observation" if not name else f"of {what}, one"
        raise DataError(f"{whose} has shape {seen.shape}, many have ({many}); got {array.shape}")
    array = array[None] if one else array
    _refuse_values(seen, array, what, one)
    return array, {name: one}


def _array(observation: Any) -> np.ndarray[Any, Any]:
    if not isinstance(observation, Tensor):
        return np.asarray(observation)
    held = observation.detach().cpu()
    return (held.float() if held.dtype is torch.bfloat16 else held).numpy()  # which numpy does not have


def _refuse_values(seen: Any, array: np.ndarray[Any, Any], what: str, one: bool) -> None:
    """Refuses values that no environment with this space would show; in the types of a tensor they would go unnoticed."""
    if not np.issubdtype(array.dtype, np.number) and array.dtype != bool:
        raise DataError(f"{what} is made of numbers, not of {array.dtype}")
    whole = np.issubdtype(np.dtype(seen.dtype), np.integer)
    with np.errstate(over="ignore"):  # what single precision does not hold is infinite to the networks
        bad, wanted = ~np.isfinite(array if whole else array.astype(np.float32)), "a finite number of single precision"
    if whole:
        low: Any = np.iinfo(seen.dtype).min
        high: Any = np.iinfo(seen.dtype).max
        if isinstance(seen, Choices):
            first = np.array(seen.start).reshape(seen.shape)
            low, high = first, first + np.array(seen.sizes).reshape(seen.shape) - 1
        bad, wanted = bad | (array < low) | (array > high) | (array != np.floor(array)), ""
    if not np.count_nonzero(bad):
        return
    place = tuple(np.argwhere(bad)[0].tolist())
    if whole:
        least, most = (np.broadcast_to(side, array.shape)[place] for side in (low, high))
        wanted = f"a whole number from {least} to {most}"
    where = f" at {list(place[one:])}" if place[one:] else ""
    raise DataError(f"{what} is {array[place].item()}{where}, where {wanted} is due")

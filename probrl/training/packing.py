"""Arrays as tensors and back, wherever they stand in a nested state: torch reads tensors without running code."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def packed(value: Any) -> Any:
    """A copy in which arrays are tensors and numpy's scalars are Python's.

    Example:
        >>> packed({"a": np.zeros(2), "n": np.int64(3)})
        {'a': tensor([0., 0.], dtype=torch.float64), 'n': 3}
    """
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value, order="C"))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: packed(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [packed(inner) for inner in value]
    return value


def arrays(value: Any) -> Any:
    """A copy in which tensors are arrays.

    Example:
        >>> arrays([torch.zeros(2), "a"])
        [array([0., 0.], dtype=float32), 'a']
    """
    if isinstance(value, torch.Tensor):
        return np.array(value.numpy())
    if isinstance(value, dict):
        return {key: arrays(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [arrays(inner) for inner in value]
    return value

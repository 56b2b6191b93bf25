"""The random streams that belong to nobody: torch's, numpy's and Python's own, which users' parts may draw from."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def state(device: str = "cpu") -> dict[str, Any]:
    """Where the streams stand, as plain types and tensors.

    Args:
        device: whose stream is kept besides the processor's.
    """
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, numbers, following = random.getstate()
    found: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [torch.from_numpy(np.array(keys, dtype=np.int64)), int(position), int(has_gauss), float(gauss)],
        "python": [version, torch.tensor(numbers, dtype=torch.int64), following],
    }
    if torch.device(device).type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


def set_state(saved: dict[str, Any], device: str = "cpu") -> None:
    """Lets the streams go on where they stood."""
    torch.set_rng_state(saved["torch"])
    keys, position, has_gauss, gauss = saved["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, numbers, following = saved["python"]
    random.setstate((version, tuple(numbers.tolist()), following))
    if "cuda" in saved and torch.device(device).type == "cuda":
        torch.cuda.set_rng_state(saved["cuda"], device)

"""The tensors that hold scalars: parameters (raw values), running values, progress."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from probrl.expr.state import Cell


def tensor_of(cell: Cell) -> Tensor:
    """The 0-dimensional tensor that holds a scalar (its logarithm, of a positive one); made at first use."""
    if cell.storage is None:
        raw = math.log(cell.initial) if cell.positive else cell.initial
        value = torch.tensor(raw, dtype=torch.get_default_dtype())
        cell.storage = nn.Parameter(value) if cell.kind == "parameter" else value
    return cell.storage


def raw_bounds(cell: Cell) -> tuple[float, float] | None:
    """The bounds of what is stored."""
    if cell.bounds is None:
        return None
    low, high = cell.bounds
    return (math.log(low), math.log(high)) if cell.positive else (low, high)

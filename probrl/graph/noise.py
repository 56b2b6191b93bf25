"""Noise is an input of the graph: how large it is, and how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from probrl.expr import nodes as n


def draw(
    noise: n.Noise, shape: Sequence[int], dtype: torch.dtype, device: torch.device, generator: Generator | None
) -> Tensor:
    """A value of a noise, from the program's generator."""
    if noise.law == "normal":
        return torch.randn(shape, dtype=dtype, device=device, generator=generator)
    if noise.law == "uniform":
        return torch.rand(shape, dtype=dtype, device=device, generator=generator)
    if noise.law == "gumbel":
        return torch.empty(shape, dtype=dtype, device=device).exponential_(generator=generator).log_().neg_()
    if noise.law == "rademacher":
        return torch.randint(0, 2, tuple(shape), device=device, generator=generator).to(dtype) * 2 - 1
    if noise.law == "subset":
        total, count = noise.options
        keys = torch.rand((*shape[:-1], total), device=device, generator=generator)
        return keys.argsort(-1)[..., :count]
    raise NotImplementedError(f"no such law of noise: {noise.law}")

"""Samples of which a part is known: before each step it is replaced by what the path makes of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from probrl.errors import ExpressionError
from probrl.paths import GaussianPath
from probrl.solvers import Adaptive, solve


def inpainted(dist: Any, solver: Any, times: Any, x: Tensor, predict: Any, generator: Generator | None,
              known: tuple[Tensor, Tensor]) -> list[Tensor]:  # fmt: skip
    """All states; the last has the known values.

    What is unknown is drawn nearly, not exactly, from the conditional law, because a step does not know what the next one
    puts in: of two coordinates with correlation 0.9 the second keeps part of it, more by a stochastic solver than by the flow.

    Args:
        dist: the model.
        solver, times: its solver and the times of it.
        x: the first state.
        predict: what the network says at states, times and next times.
        generator: of the noise.
        known: the mask and the values, each in the shape of the state.

    Source:
        Song et al. 2021, "Score-based generative modeling through stochastic differential equations", appendix I.2.
    """
    if isinstance(solver, Adaptive):
        raise ExpressionError(
            f"{dist.notation}.sample(known=...): {solver.said} has no fixed steps before which to replace what is known; write "
            "one that has, as in solver=pr.solvers.Heun(steps=20)"
        )
    scheme, (mask, value), begun = solver.scheme(dist.schedule, times), known, x
    coefficients = dist.coefficients(scheme)
    *at, ends = (torch.tensor(t, dtype=x.dtype, device=x.device) for t in (*scheme.stages, times[1:]))
    mask, value = mask.to(x.device), value.to(x)

    def fresh(k: int, x: Tensor) -> Tensor:
        return torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)

    def seen(x: Tensor, t: float) -> Tensor:
        ends = (value,) if isinstance(dist.path, GaussianPath) else (value, begun)  # a bridge begins somewhere else
        return torch.where(mask, dist.path.perturb(*ends, fresh(0, x), t), x)

    def field(k: int, stage: int, x: Tensor) -> Tensor:
        x = seen(x, float(scheme.stages[0][k])) if stage == 0 else x
        first, *others = predict(x, *(t[k].expand(x.shape[0]) for t in (at[stage], ends)))
        share, weight, *weights = (float(c[stage][k]) for c in coefficients)
        m = first if weight == 1 else first * weight
        for w, other in zip(weights, others, strict=True):
            m = m.add(other, alpha=w)
        return m if share == 0 else m.add(x, alpha=share)

    *others, last = (y for y, _ in solve(scheme, x, field, fresh))
    return [begun, *others, torch.where(mask, value, last)]

"""Log-densities by adaptive steps: the state and the logarithm of its density as one equation, on tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from probrl.expr import nodes as n
from probrl.expr.axes import BATCH
from probrl.expr.calculus import divergence, jvp
from probrl.expr.operators import dot
from probrl.generative.conditioned import joined
from probrl.generative.integration import begun


def log_density(dist: Any, x_dict: Mapping[str, Any], solver: Any, probes: int, grid: Any = None) -> Tensor:
    """The logarithm of the density of a model, one per row, within the solver's tolerance.

    Args:
        dist: the model.
        x_dict: variables and conditions by name.
        solver: an adaptive one.
        probes: how many Rademacher probes estimate the divergence, the same along a trajectory; 0 for the exact one.
        grid: from which time to which, rising.

    Source:
        Grathwohl et al. 2019, "FFJORD: free-form continuous dynamics for scalable reversible generative models".
    """
    solver, times, leaps = dist.likelihood_of(solver, grid)
    given = {f"c_{i}": x_dict[c] for i, c in enumerate(dist.declaration.conditions)}
    values = {v: x_dict[v] for v in dist.declaration.variables}
    x = joined(values, dist.shapes) if len(values) > 1 else values[dist.variable].flatten(1)
    drawn = [torch.randint(0, 2, x.shape, device=x.device).to(x) * 2 - 1 for _ in range(probes)]

    def asked(target: str, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        said = asking(dist, target, bool(probes))
        rows = {"x_t": x, "t": t.to(x.dtype).expand(len(x)), **given}
        found = [said({**rows, "z": z}) for z in drawn] if drawn else [said(rows)]
        return found[0][target], torch.stack([each["spread"] for each in found]).mean(0)

    def slope(t: Tensor, state: Tensor) -> Tensor:
        velocity, spread = asked("velocity", state[:, :-1], t)
        return torch.cat([velocity, spread[:, None]], 1)

    ends = torch.tensor([times[0], times[-1]], dtype=x.dtype, device=x.device)
    end = solver.integrate(slope, torch.cat([x, x.new_zeros(len(x), 1)], 1), ends, dist.owner.parameters())[-1]
    x, total, scale, count = end[:, :-1], end[:, -1], dist.spread_at(times[-1]), x.shape[1]
    noise, spread = asked("noise", x, ends[-1]) if leaps else (x / scale, None)
    found: Tensor = begun(noise.square().sum(1), count, scale, total, spread)
    return found


def asking(dist: Any, target: str, by_probe: bool) -> Any:
    """The velocity or the noise at ``x_t`` and ``t``, and its divergence, or that of a probe ``z``, as one function of a batch."""
    kept = dist.__dict__.setdefault("_functions", {})
    key = ("asking", dist.role, target, by_probe)
    if key not in kept:
        from probrl.graph.function import Function

        given = tuple(n.Symbol(f"c_{i}", None, (BATCH,), None) for i in range(len(dist.declaration.conditions)))
        x, z = (n.Symbol(name, 1, (BATCH,), None) for name in ("x_t", "z"))
        t = n.Symbol("t", 0, (BATCH,), None)
        said = dist.said_at(dist.role, False, x, t, t, given, whole=True)
        flows = target == "velocity"
        v = dist.flow(said, x, t) if flows else dist.path.convert(said[0], x, t, source=dist.predicts, target=target)
        kept[key] = Function({target: v, "spread": dot(z, jvp(v, {x: z})) if by_probe else divergence(v, x)})
    return kept[key]

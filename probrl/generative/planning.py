"""What a sampler works out before it runs: the times of a solver and the numbers of its steps, once for a model."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probrl.expr import nodes as n
from probrl.expr.axes import BATCH
from probrl.graph.cells import tensor_of
from probrl.graph.function import Function
from probrl.graph.roles import callable_of
from probrl.paths.quantity import beforehand


class Said:
    """What a model says at a state, where that is a formula, as a function of a batch."""

    def __init__(self, dist: Any):
        given = tuple(n.Symbol(f"c_{i}", None, (BATCH,), None) for i in range(len(dist.declaration.conditions)))
        x = n.Symbol("x_t", dist.state_rank, (BATCH,), None)
        t, until = (n.Symbol(name, 0, (BATCH,), None) for name in ("t", "t_next"))
        said = dist.said_at(dist.role, False, x, t, until, given)
        self.function = Function({f"m_{i}": m for i, m in enumerate(said)})
        self.networks, self.module = self.function.networks(), self.function.module
        self.targets = tuple(self.function.inputs.targets.items())
        self.cells = tuple((name, tensor_of(cell)) for cell, name in self.function.inputs.cells.items())

    def __call__(self, batch: dict[str, Any]) -> Any:
        if not torch.compiler.is_compiling():
            return self.function(batch).values()
        columns = {name: batch[column] for column, name in self.targets}  # what is traced is not looked at
        return self.module(**self.networks, **columns, **dict(self.cells))


@dataclass(frozen=True)
class Plan:
    """The times of a solver, and what its steps need; None where they are not fixed."""

    times: tuple[float, ...]
    steps: Any


class Plans:
    """What was worked out for a model, an attribute each; a copy of the model works it out anew."""

    def __init__(self) -> None:
        self.names: dict[Hashable, str] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Plans:
        return Plans()

    def __reduce__(self) -> tuple[Any, ...]:
        return Plans, ()


def planned(dist: Any, solver: Any, grid: Any, like: Tensor) -> Plan:
    """What is worked out for a solver and a grid; by code that ``torch.compile`` traces, while it traces.

    Args:
        dist: the model.
        solver: of it.
        grid: its own times, or None.
        like: of the dtype and on the device where states are.
    """
    if torch.compiler.is_compiling():  # an object that traced code made is handed over without its fields
        parts = tuple((name, getattr(solver, name)) for name in type(solver).__match_args__)
        name = _traced_as(dist, type(solver), parts, grid, like.dtype, like.device)
    else:
        name = _kept_as(dist, solver, grid, like.dtype, like.device)
    found: Plan = getattr(dist._plans, name)
    return found


def evaluated(dist: Any) -> Said:
    """What a model says where that is a formula; lowered once, also by code that ``torch.compile`` traces."""
    name = _lowered_as(dist)
    found: Said = getattr(dist._plans, name)
    return found


@beforehand
def _lowered_as(dist: Any) -> str:
    plans: Plans = dist.__dict__.setdefault("_plans", Plans())
    name = f"said_{dist.role}"
    if name not in vars(plans):
        setattr(plans, name, Said(dist))
    return name


def _kept_as(dist: Any, solver: Any, grid: Any, dtype: torch.dtype, device: torch.device) -> str:
    """The attribute that holds a plan: an attribute, because tracers read those anew, and dictionaries once."""
    plans: Plans = dist.__dict__.setdefault("_plans", Plans())
    times = dist.times(solver, grid)
    key = (solver, times, dtype, device)
    if key not in plans.names:
        name, like = f"plan_{len(plans.names)}", torch.empty((), dtype=dtype, device=device)
        setattr(plans, name, Plan(tuple(map(float, times)), dist.steps_of(solver, times, like)))
        plans.names[key] = name
    return plans.names[key]


@beforehand
def _traced_as(dist: Any, kind: type, parts: tuple[tuple[str, Any], ...], *rest: Any) -> str:
    return _kept_as(dist, kind(**dict(parts)), *rest)


def asked(dist: Any) -> Any:
    """The network of a model in its role, as a function; its copy is made when it is first asked for."""
    if not torch.compiler.is_compiling():
        return callable_of(dist.handle, dist.role)
    if dist.role == "live":
        return dist.handle.module
    name = _called_as(dist)
    return getattr(dist._plans, name)


@beforehand
def _called_as(dist: Any) -> str:
    plans: Plans = dist.__dict__.setdefault("_plans", Plans())
    name = f"network_{dist.role}"
    if name not in vars(plans):
        setattr(plans, name, callable_of(dist.handle, dist.role))
    return name

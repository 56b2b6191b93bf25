"""A maximal run of steps without a decision of the host: one eager sequence, or one compiled function."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from probrl.expr.base import Expr
from probrl.expr.state import Cell, Network
from probrl.graph.cells import tensor_of
from probrl.graph.descent import Descent
from probrl.graph.function import Function
from probrl.graph.misfit import explained
from probrl.graph.roles import polyak, snapshot
from probrl.graph.traced import TracedDescent


@dataclass
class Moving:
    """A copy that follows its live tensors: all the way (tau None) or a share of it, a number or what a graph says."""

    networks: Sequence[Network]
    role: str
    tau: float | None
    function: Function | None = None

    def run(self) -> None:
        """Moves, eagerly, by a number."""
        for net in self.networks:
            snapshot(net, self.role) if self.tau is None else polyak(net, self.role, self.tau)

    def trace(self, bound: Mapping[str, Any], stopped: Tensor | None) -> None:
        """Moves without a decision of the host, inside a compiled function; not where ``stopped`` is 1."""
        share: Any = self.tau
        if self.function is not None:
            share = torch.as_tensor(self.function._forward(**self.function.networks(), **bound)[0])
            share = torch.where((share >= 0) & (share <= 1), share, 0.0)  # nor where it is not finite
        for net in self.networks:
            live, copies = net.tensors(), net.tensors(self.role)
            seen: set[int] = set()
            for name, copy in copies.items():
                if id(copy) in seen:
                    continue
                seen.add(id(copy))
                value = live[name].detach()
                whole = share is None or not copy.is_floating_point()
                new = value if whole else copy + (share * (value - copy)).to(copy.dtype)
                copy.copy_(new if stopped is None else torch.where(stopped == 0, new, copy))


class Setting:
    """A running scalar that takes a value."""

    def __init__(self, cell: Cell, value: Expr, when: Expr | None, flat: bool):
        outputs = {"value": value} if when is None else {"value": value, "when": when}
        self.cell, self.function = cell, Function(outputs, flat)

    def run(self, bound: Mapping[str, Any], stopped: Tensor | None) -> None:
        """Assigns, eagerly and when compiled; not where ``stopped`` is 1."""
        results = self.function._forward(**self.function.networks(), **bound)
        held = tensor_of(self.cell)
        new = torch.as_tensor(results[0], dtype=held.dtype, device=held.device)
        new = torch.where(torch.isfinite(new), new, held)  # like an update, it refuses what is not finite
        if len(results) > 1:
            new = torch.where(torch.as_tensor(results[1], device=held.device) != 0, new, held)
        held.copy_(new if stopped is None else torch.where(stopped == 0, new, held))


class Reporting:
    """Values that are evaluated on their own."""

    def __init__(self, values: Mapping[str, Expr], flat: bool):
        self.function = Function(values, flat)

    def run(self, bound: Mapping[str, Any]) -> dict[str, Tensor]:
        """The values, without gradient."""
        results = self.function._forward(**self.function.networks(), **bound)
        return {k: torch.as_tensor(r).detach() for k, r in zip(self.function.values, results, strict=True)}


Action = Descent | Moving | Setting | Reporting
Bounds = Sequence[Mapping[str, Any]]  # of every action, what its graph takes
UNROLLED = 4  # minibatches that one compiled function takes: fewer calls, at the price of a longer compilation


class Unit:
    """Actions in order, on one set of columns.

    Args:
        actions: what is done.
        compile_with: turns a function into a compiled one, given the eager one to fall back to; None runs eagerly.
    """

    def __init__(self, actions: Sequence[Action], compile_with: Callable[[Any, Any], Any] | None):
        self.actions = list(actions)
        self.compile_with = compile_with
        self.functions = [getattr(a, "function", None) for a in self.actions]
        self._compiled: dict[int, Any] = {}  # by the number of passes
        self._traced: list[Any] = []

    def bind(
        self,
        columns: Mapping[str, Any],
        generator: Generator | None,
        scalars: Mapping[Cell, Tensor],
        drawn: dict[Expr, Tensor],
    ) -> list[dict[str, Any]]:
        """The arguments of every action's graph; a noise that several read is drawn once."""
        return [{} if f is None else f.bind_once(columns, generator, drawn, scalars) for f in self.functions]

    def run(
        self,
        parts: Sequence[Mapping[str, Any]],
        generator: Generator | None,
        scalars: Mapping[Cell, Tensor],
        stopped: Tensor | None,
        drawn: dict[Expr, Tensor] | None = None,
    ) -> tuple[list[dict[str, Any]], Tensor | None]:
        """A pass over each of several sets of columns, in order: their metrics, and whether a stop has come.

        A compiled unit takes them all in one function. ``drawn`` are the noises of a run that goes on; without it, each
        pass has its own.
        """
        passes = [self.bind(columns, generator, scalars, {} if drawn is None else drawn) for columns in parts]
        with explained(*(run for bounds in passes for run in zip(self.functions, bounds, strict=True))):
            if self.compile_with is not None and len(passes) not in self._compiled:
                self._prepare(passes)
            if self.compile_with is None:
                return self._eager(passes, stopped)
            with torch.no_grad():
                return self._compiled[len(passes)](passes, stopped)

    def _eager(self, passes: Sequence[Bounds], stopped: Tensor | None) -> tuple[list[dict[str, Any]], Tensor | None]:
        found: list[dict[str, Any]] = []
        for bounds in passes:
            found.append({})
            for action, bound in zip(self.actions, bounds, strict=True):
                if isinstance(action, Descent):
                    stopped = _merge(found[-1], action.run(bound, stopped), stopped)
                else:
                    with torch.no_grad():
                        _act(action, bound, found[-1], stopped)
        return found, stopped

    def _prepare(self, passes: Sequence[Bounds]) -> None:
        """Makes the compiled function of so many passes."""
        assert self.compile_with is not None
        if not self._traced:
            self._traced = [TracedDescent(a) if isinstance(a, Descent) else a for a in self.actions]
            replaced: list[str] = []
            for traced, bound in zip(self._traced, passes[0], strict=True):
                if isinstance(traced, TracedDescent):
                    replaced += traced.probe(bound)
            if replaced:
                self.compile_with = None
                warnings.warn(
                    f"the program runs eagerly: {', '.join(replaced)} is replaced in forward, which compiled code loses; write into it "
                    "in place, as in self.mean.copy_(...), to have it compiled",
                    stacklevel=2,
                )
                return
        self._compiled[len(passes)] = self.compile_with(self._whole, self._eager)

    def _whole(self, passes: Sequence[Bounds], stopped: Tensor | None) -> tuple[list[dict[str, Any]], Tensor | None]:
        found: list[dict[str, Any]] = []
        for bounds in passes:
            found.append({})
            for action, bound in zip(self._traced, bounds, strict=True):
                if isinstance(action, TracedDescent):
                    stopped = _merge(found[-1], action.run(bound, stopped), stopped)
                else:
                    _act(action, bound, found[-1], stopped)
        return found, stopped

    @property
    def most(self) -> int:
        """How many minibatches it takes at a time."""
        return 1 if self.compile_with is None else UNROLLED

    @property
    def descents(self) -> list[Descent]:
        """The updates among the actions."""
        return [a for a in self.actions if isinstance(a, Descent)]


def _act(action: Any, bound: Mapping[str, Any], found: dict[str, Any], stopped: Tensor | None) -> None:
    if isinstance(action, Moving):
        by_number = action.function is None and stopped is None and not torch.compiler.is_compiling()
        action.run() if by_number else action.trace(bound, stopped)
    elif isinstance(action, Setting):
        action.run(bound, stopped)
    else:
        found.update(action.run(bound))


def _merge(found: dict[str, Any], new: dict[str, Any], stopped: Tensor | None) -> Tensor | None:
    finite = new["finite"]
    if "finite" in found:
        new["finite"] = torch.minimum(found["finite"], finite)
    if "grad_norm" in found and "grad_norm" in new:
        new["grad_norm"] = torch.maximum(found["grad_norm"], new["grad_norm"])
    found.update(new)
    if stopped is not None and "stop" in new:
        return torch.maximum(stopped, new["stop"].to(torch.float32))
    return stopped

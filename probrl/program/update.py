"""A program that runs: called with a batch it moves the modules' own parameters in place and returns metrics."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn

from probrl.errors import CheckpointError, ExpressionError
from probrl.expr.scalars import iteration, progress
from probrl.expr.state import COPIED, Cell
from probrl.graph.batch import entries, sources_of
from probrl.graph.cells import tensor_of
from probrl.graph.compiling import compiled
from probrl.program.run import Runner, Scope

REPAID = 50_000  # updates after which the 10 to 25 seconds of a compilation are won back on a CPU


class Update:
    """A compiled program.

    Attributes:
        backend: what runs it, "eager" or "inductor" (or the one that was asked for).
        reason: why.
        progress: the fraction of training done; set it before a run for the schedules to see.
        iteration: how many times it has run.
    """

    def __init__(self, program: Any, runner: Runner, backend: str, reason: str, device: torch.device, seed: int):
        self.program, self.runner, self.backend, self.reason = program, runner, backend, reason
        self.device = device
        self.generator = Generator(device).manual_seed(seed)
        self.scalars: dict[Cell, Tensor] = {
            progress.cell: torch.zeros((), device=device),
            iteration.cell: torch.zeros((), device=device),
        }
        self.sources = sources_of(program.columns.values())
        self.iteration = 0

    def __repr__(self) -> str:
        return f"Update(backend={self.backend!r}, iteration={self.iteration})"

    @property
    def progress(self) -> float:
        """The fraction of training done."""
        return float(self.scalars[progress.cell])

    @progress.setter
    def progress(self, value: float) -> None:
        self.scalars[progress.cell].fill_(value)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """One run of the program.

        Args:
            batch: the columns by name; a dict of batches when the program has several data sources.

        Returns:
            Scalar tensors by name (averaged over the minibatches of a Fit), and what is reported per row.

        Errors:
            DataError: when a column is missing, mis-shaped, or of the wrong kind.
        """
        self.scalars[iteration.cell].fill_(self.iteration)
        columns = entries(batch, self.sources)
        columns = self.program.admitted(columns)
        scope = Scope(columns, self.generator, self.scalars)
        with torch.enable_grad():  # whoever calls: an update needs its gradients
            self.runner.run(scope)
        self.iteration += 1
        return {name: values[-1] for name, values in scope.metrics.items() if name != "stop"}

    @property
    def code(self) -> str:
        """The source of the update's graphs: readable, and runnable on its own."""
        return str(self.program.code)

    # --- what it keeps -----------------------------------------------------------------------------------------
    def groups(self) -> dict[str, Any]:
        """The optimisers' states, by name."""
        found: dict[str, Any] = {}
        for unit in self.runner.units():
            for descent in unit.descents:
                for goal in descent.goals:
                    for group in goal.groups:
                        found.setdefault(f"{len(found)}", group)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Everything but the modules' own parameters: optimisers, roles' copies, scalars, counters, the generator."""
        return {
            "optimizers": {name: group.state_dict() for name, group in self.groups().items()},
            "roles": {
                f"{i}.{role}": {k: t.clone() for k, t in net.tensors(role).items()} for i, net, role in self._copies()
            },
            "cells": {f"{i}.{cell.name}": float(tensor_of(cell).detach()) for i, cell in enumerate(self.program.cells)},
            "counters": [c.count for c in self.runner.counters()],
            "generator": self.generator.get_state(),
            "iteration": self.iteration,
            "progress": self.progress,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes over a saved state.

        Errors:
            CheckpointError: when it is of another program.
        """
        groups, copies = self.groups(), {f"{i}.{role}": (net, role) for i, net, role in self._copies()}
        cells = {f"{i}.{cell.name}": cell for i, cell in enumerate(self.program.cells)}
        whole = ("optimizers", "roles", "cells", "counters", "generator", "iteration", "progress")
        missing = [k for k in whole if k not in saved]
        if missing:
            raise CheckpointError(
                f"this is no saved state of an update: it lacks {', '.join(missing)}; give what state_dict() of the same program returned"
            )
        for kind, known in (("optimizers", groups), ("roles", copies), ("cells", cells)):
            if set(saved[kind]) != set(known):
                raise CheckpointError(
                    f"the saved state is of another program: its {kind} are {sorted(saved[kind])}, this one's {sorted(known)}"
                )
        for name, group in groups.items():
            group.load_state_dict(saved["optimizers"][name])
        with torch.no_grad():
            for name, (net, role) in copies.items():
                for key, tensor in net.tensors(role).items():
                    tensor.copy_(saved["roles"][name][key])
            for name, cell in cells.items():
                tensor_of(cell).fill_(saved["cells"][name])
        for counter, count in zip(self.runner.counters(), saved["counters"], strict=True):
            counter.count = count
        self.generator.set_state(saved["generator"])
        self.iteration, self.progress = saved["iteration"], saved["progress"]

    def _copies(self) -> list[tuple[int, Any, str]]:
        return [(i, net, role) for i, (net, role) in enumerate(self.program.roles) if role in COPIED]


def _reason(error: BaseException) -> str:
    """The first line of an error that says what is wrong; torch's own begin with who raised it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if not line.endswith(("raised:", "raised"))), lines[0])


def compiler(backend: str, names: Iterable[str] = ()) -> Callable[[Any, Any], Any] | None:
    """What turns a function into a compiled one (or, where that fails, into the eager one that it is given), or None."""
    if backend == "eager":
        return None

    def compile_with(function: Any, eagerly: Any) -> Any:
        whole = compiled(function, "update", backend)
        state = {"broken": False, "ran": False}

        def call(passes: Any, stopped: Any) -> Any:
            if not state["broken"]:
                try:
                    done = whole(passes, stopped)
                    state["ran"] = True
                    return done
                except Exception as error:
                    if state["ran"] and not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                        raise  # what was compiled once fails for what it was given
                    with torch.enable_grad():
                        done = eagerly(passes, stopped)
                    # what fails eagerly too is the data's fault, and says nothing about the program
                    state["broken"] = True
                    warnings.warn(
                        f"the program of {', '.join(names)} cannot be compiled and runs eagerly: {_reason(error)}",
                        stacklevel=3,
                    )
                    return done
            with torch.enable_grad():
                return eagerly(passes, stopped)

        return call

    return compile_with


def unfit(modules: Mapping[str, Any]) -> str | None:
    """Why a program with these networks cannot be compiled, or None."""
    for name, module in modules.items():
        if not isinstance(module, nn.Module):
            continue
        for inner in module.modules():
            if isinstance(inner, nn.RNNBase):
                return f"{name} has a recurrent layer ({type(inner).__name__})"
            if any(isinstance(p, nn.parameter.UninitializedParameter) for p in inner._parameters.values()):
                return f"{name} has a lazy layer ({type(inner).__name__}) that has seen no data yet"
    return None


def chosen(backend: str, device: torch.device, updates: int | None, why_not: str | None) -> tuple[str, str]:
    """The backend that a request comes to, and the reason.

    Errors:
        ExpressionError: when nothing is called so.
    """
    usual = ("auto", "eager", "inductor", "aot_eager")
    if backend not in usual and backend not in torch.compiler.list_backends(exclude_tags=()):
        raise ExpressionError(
            f"compile(backend={backend!r}): no backend is called so; write 'auto', 'inductor' or 'eager'"
        )
    if why_not is not None and backend != "eager":
        message = f"runs eagerly: {why_not}"
        if backend != "auto":
            warnings.warn(f"the program {message}", stacklevel=4)
        return "eager", message
    if backend != "auto":
        return backend, "as asked"
    if device.type == "cuda":
        return "inductor", "a GPU repays compiling at once"
    if updates is not None and updates >= REPAID:
        return "inductor", f"{updates} planned updates repay the compilation"
    planned = "an unknown number of" if updates is None else str(updates)
    return (
        "eager",
        f"{planned} planned updates on a CPU do not repay the 10 to 25 seconds of a compilation ({REPAID} do)",
    )

"""A program: steps in order, checked together, printed together, compiled as one update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, read
from probrl.expr.ranks import settle
from probrl.expr.state import Cell, Network
from probrl.expr.traversal import executed, walk
from probrl.graph.descent import Descent, Goal
from probrl.graph.group import Group
from probrl.program import checks
from probrl.program import run as r
from probrl.program.steps import (
    Assign,
    Every,
    Fit,
    Minimize,
    Move,
    Polyak,
    Prepare,
    Report,
    Snapshot,
    Step,
    Together,
    terms,
)  # fmt: skip
from probrl.program.unit import Moving, Reporting, Setting, Unit
from probrl.program.update import Update, chosen, compiler, unfit
from probrl.program.wrt import Moved


class Program(Step):
    """Steps that run in order and see what earlier ones wrote.

    Noise is fixed for one run (for one minibatch, inside a Fit); values are recomputed from current parameters.

    Args:
        steps: what is done.
        act: the acting rule, an expression read on an observation, or None.

    Raises:
        ExpressionError: when a symbol is used in two ways, or a role is read that no step moves.
    """

    def __init__(self, *steps: Step, act: Any = None):
        if not steps:
            raise ExpressionError("pr.Program(...) needs at least one step")
        for step in steps:
            if not isinstance(step, Step):
                raise ExpressionError(
                    f"pr.Program takes steps (pr.Minimize, pr.Prepare, ...), not {step!r}; a loss is minimised: pr.Minimize(loss, wrt=pi)"
                )
        self._steps, self.act = steps, act
        self._settled = self._settle()
        checks.roles_are_moved(self.walk())

    @property
    def steps(self) -> tuple[Step, ...]:
        return self._steps

    def program(self) -> Program:
        return self

    def walk(self) -> Iterator[Step]:
        for step in self._steps:
            yield from step.walk()

    def _settle(self) -> dict[Expr, Expr]:
        """Every expression of every step, with the ranks that they say of each other's symbols."""
        found = [x for step in self.walk() for x in self._read(step)]
        prepared = {}
        for step in self.walk():
            if isinstance(step, Prepare):
                for name in step.columns:
                    if name in prepared and prepared[name] is not step:
                        raise ExpressionError(
                            f"pr.Prepare({name}=...): '{name}' is prepared twice; name the second one otherwise"
                        )
                    prepared[name] = step
        return dict(zip(found, settle(*found), strict=True))

    @staticmethod
    def _read(step: Step) -> list[Expr]:
        named = terms(step.loss).values() if isinstance(step, Minimize) else ()
        return [*step.expressions().values(), *named]

    def settled(self, x: Any) -> Any:
        """An expression of a step as the whole program settles it; numbers pass."""
        return self._settled.get(x, x) if isinstance(x, Expr) else x

    # --- what it is made of ------------------------------------------------------------------------------------
    @property
    def expressions_(self) -> list[Expr]:
        """All expressions, in order."""
        return [self.settled(x) for step in self.walk() for x in step.expressions().values()]

    @property
    def networks(self) -> list[Network]:
        """The networks that it runs, in order of occurrence."""
        calls = (x.net for x in walk(*self.expressions_, through=executed) if isinstance(x, n.Call))
        return list(dict.fromkeys(calls))

    @property
    def roles(self) -> list[tuple[Network, str]]:
        """The networks in the roles in which they run or are moved."""
        found = dict.fromkeys(
            (x.net, x.role) for x in walk(*self.expressions_, through=executed) if isinstance(x, n.Call)
        )
        found.update(dict.fromkeys((net, s.role) for s in self.walk() if isinstance(s, Move) for net in s.networks))
        return list(found)

    @property
    def cells(self) -> list[Cell]:
        """The scalars that it learns or assigns, in order of occurrence."""
        found = dict.fromkeys(x.cell for x in walk(*self.expressions_, through=executed) if isinstance(x, n.State))
        for step in self.walk():
            if isinstance(step, Assign):
                found.setdefault(step.state.cell)
        return [c for c in found if c.kind in ("parameter", "state")]

    @property
    def columns(self) -> dict[str, n.Symbol]:
        """The columns that a batch must have."""
        made = {name for step in self.walk() if isinstance(step, Prepare) for name in step.columns}
        return {name: s for name, s in r.read_columns(self.expressions_).items() if name not in made}

    def validate(self, columns: Mapping[str, Any]) -> None:
        """Refuses data that would make ``pr.next`` read past the end of an episode."""
        for mask in self._masks_of_next():
            valid = columns.get(mask)
            if isinstance(valid, torch.Tensor) and bool(valid[..., -1].any()):
                raise DataError(
                    f"the last row along time is valid ('{mask}' is true there), and pr.next reads the row after it: end every episode with "
                    "one more row that holds its last observation and is not valid"
                )

    def _masks_of_next(self) -> list[str]:
        if not hasattr(self, "_next_masks"):
            shifts = (x for x in walk(*self.expressions_, through=executed) if isinstance(x, n.Shift) and x.offset > 0)
            self._next_masks = list(dict.fromkeys(str(x.x.type.axis(x.axis).mask) for x in shifts))
        return self._next_masks

    # --- running -----------------------------------------------------------------------------------------------
    def compile(self, backend: str = "auto", seed: int | None = None, updates: int | None = None) -> Update:
        """The program as one update: ``metrics = update(batch)``, in place on the modules' own parameters.

        Args:
            backend: "eager", "inductor", or "auto", which chooses by a fixed rule and says what it chose.
            seed: of the program's generator, from which all noise and shuffling comes; None takes one from torch's.
            updates: how many updates are planned, for "auto".
        """
        modules = {getattr(net.owner, "notation", None) or net.name: net.module for net in self.networks}
        parameters = [p for m in modules.values() if isinstance(m, nn.Module) for p in m.parameters()]
        device = parameters[0].device if parameters else torch.device("cpu")
        self._place(device)
        backend, reason = chosen(backend, device, updates, unfit(modules))
        builder = Builder(self, compiler(backend))
        runner = builder.sequence(self._steps, flat=False, stop=None)
        seed = int(torch.randint(0, 2**31, ())) if seed is None else seed
        return Update(self, runner, backend, reason, device, seed)

    def _place(self, device: torch.device) -> None:
        from probrl.graph.cells import tensor_of

        for cell in self.cells:
            tensor = tensor_of(cell)
            if tensor.device != device:
                tensor.data = tensor.data.to(device)

    # --- readings ----------------------------------------------------------------------------------------------
    def latex(self, **options: Any) -> str:
        """The whole algorithm as aligned equations, with where-lines and a legend."""
        return str(read("program_latex", self, **options))

    def print_latex(self, **options: Any) -> None:
        """Prints the LaTeX; rendered in a notebook."""
        read("program_print_latex", self, **options)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def text(self, **options: Any) -> str:
        """The whole algorithm as unicode text."""
        return str(read("program_text", self, **options))

    def __str__(self) -> str:
        return self.text()

    def png(self, path: Any = None, **options: Any) -> Any:
        """The whole algorithm as a picture."""
        return read("program_png", self, path, **options)

    def gradients(self, **options: Any) -> Any:
        """Which term moves which parameters, and what is held still, for every update."""
        return read("program_gradients", self, **options)

    def check(self, batch: Mapping[str, Any], **options: Any) -> Any:
        """Verifies on a batch that every printed formula equals the executed graph, in value and gradient."""
        return read("program_check", self, batch, **options)

    @property
    def digest(self) -> str:
        """A hash of the canonical program: renaming keeps it, changing an operator changes it."""
        return str(read("program_digest", self))

    @property
    def code(self) -> str:
        """The source of the program's graphs: readable, and runnable on its own."""
        return str(read("program_code", self))


class Builder:
    """Turns steps into what runs them: maximal runs of updates become units."""

    def __init__(self, program: Program, compile_with: Any):
        self.program, self.compile_with = program, compile_with
        self.groups: dict[tuple[int, ...], Group] = {}
        self.losses = sum(isinstance(s, Minimize) for s in program.walk())

    def sequence(self, steps: Sequence[Step], flat: bool, stop: Expr | None) -> r.Runner:
        """The runner of steps in order."""
        runners: list[r.Runner] = []
        pending: list[Step] = []
        for step in [*steps, None]:
            if isinstance(step, (Minimize, Together, Report, Move, Assign)):
                pending.append(step)
                continue
            if pending:
                runners.append(r.UnitRunner(Unit(self.actions(pending, flat, stop), self.compile_with)))
                stop, pending = None, []
            if step is not None:
                runners.append(self.host(step, flat))
        return runners[0] if len(runners) == 1 else r.Sequential(runners)

    def host(self, step: Step, flat: bool) -> r.Runner:
        """The runner of a step that the host decides on."""
        settled = self.program.settled
        if isinstance(step, Prepare):
            return r.PrepareRunner({k: settled(v) for k, v in step.columns.items()}, flat)
        if isinstance(step, Every):
            return r.EveryRunner(step.n, self.sequence(step.steps, flat, None))
        if isinstance(step, Fit):
            rows = step.unit == "row" and step.minibatch is not None
            stop = None if step.stop is None else settled(step.stop)
            inner = self.sequence(step.steps, flat or rows, stop)
            exprs = [settled(x) for s in step.walk() for x in s.expressions().values()]
            made = {name for s in step.walk() if isinstance(s, Prepare) for name in s.columns}
            columns = {k: s for k, s in r.read_columns(exprs).items() if k not in made}
            axes = {k: 1 if flat else len([a for a in s.axes if a.data]) for k, s in columns.items()}
            return r.FitRunner(inner, self.epochs(step.epochs), step.minibatch, rows, axes, step.stop is not None)
        if isinstance(step, Program):
            return self.sequence(step.steps, flat, None)
        raise ExpressionError(f"{type(step).__name__} cannot stand in a program")

    def epochs(self, epochs: Any) -> Any:
        """How often a Fit repeats: a number, or a function of the scope."""
        if not isinstance(epochs, Expr):
            return int(epochs)
        function = r.Function({"epochs": self.program.settled(epochs)})
        return lambda scope: int(float(function(scope.columns, None, None, scope.scalars)["epochs"]))

    def actions(self, steps: Sequence[Step], flat: bool, stop: Expr | None) -> list[Any]:
        """The actions of a unit; a report right after an update joins its graph."""
        settled = self.program.settled
        found: list[Any] = []
        i = 0
        while i < len(steps):
            step = steps[i]
            if isinstance(step, (Minimize, Together)):
                reports: dict[str, Expr] = {}
                while i + 1 < len(steps) and isinstance(steps[i + 1], Report):
                    i += 1
                    reports.update({k: settled(v) for k, v in steps[i].expressions().items()})
                found.append(self.descent(step, reports, stop, flat))
                stop = None
            elif isinstance(step, Report):
                found.append(Reporting({k: settled(v) for k, v in step.values.items()}, flat))
            elif isinstance(step, Polyak):
                found.append(Moving(step.networks, step.role, step.tau))
            elif isinstance(step, Snapshot):
                found.append(Moving(step.networks, step.role, None))
            elif isinstance(step, Assign):
                found.append(
                    Setting(
                        step.state.cell, settled(step.value), None if step.when is None else settled(step.when), flat
                    )
                )
            i += 1
        return found

    def descent(self, step: Step, reports: dict[str, Expr], stop: Expr | None, flat: bool) -> Descent:
        """The update of a Minimize, a Maximize or a Together."""
        settled = self.program.settled
        parts = [step] if isinstance(step, Minimize) else list(step.steps)
        goals, named = [], {}
        for part in parts:
            assert isinstance(part, Minimize)
            groups = [self.group(same) for same in alike(part.wrt)]
            goals.append(Goal(self.name(part), settled(part.loss), groups, part.sign, settled(part.max_grad_norm)))
            named.update({k: settled(v) for k, v in terms(part.loss).items()})
        return Descent(goals, {**named, **reports}, stop, flat)

    def group(self, entries: Sequence[Moved]) -> Group:
        """The optimiser of parameters: one for the same parameters under the same rule, wherever they are moved."""
        optimizer = entries[0].optimizer
        parameters = [p for m in entries for p in m.parameters]
        key = (*(id(p) for p in parameters), hash(optimizer))
        if key not in self.groups:
            cells = {}
            for m in entries:
                start = next((k for k, p in enumerate(parameters) if p is m.parameters[0]), 0)
                cells.update({start + i: c for i, c in m.cells.items()})
            self.groups[key] = Group(parameters, replace(optimizer, lr=self.program.settled(optimizer.lr)), cells)
        return self.groups[key]

    def name(self, step: Minimize) -> str:
        """What a loss is called among the metrics: its own name, else by what it moves."""
        from probrl.expr.definition import NamedHead

        if isinstance(step.loss, n.Definition) and isinstance(step.loss.head, NamedHead):
            return step.loss.head.name
        if self.losses == 1:
            return "loss"
        return "loss_" + "_".join(m.name.replace("\\", "") for m in step.wrt)


def alike(entries: Sequence[Moved]) -> list[list[Moved]]:
    """The entries with something to move, those under one rule together."""
    found: list[list[Moved]] = []
    for entry in entries:
        same = next((g for g in found if g[0].optimizer == entry.optimizer), None)
        if entry.parameters:
            same.append(entry) if same is not None else found.append([entry])
    return found

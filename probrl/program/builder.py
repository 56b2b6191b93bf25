"""From steps to what runs them: maximal runs of updates become units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.definition import NamedHead
from probrl.graph.batch import Columns
from probrl.graph.descent import Descent, Goal
from probrl.graph.function import Function
from probrl.graph.group import Group
from probrl.program import run as r
from probrl.program.moves import Assign, Move, Polyak, Snapshot
from probrl.program.repeats import Every, Fit
from probrl.program.steps import Minimize, Prepare, Report, Step, Together
from probrl.program.terms import terms
from probrl.program.unit import Moving, Reporting, Setting, Unit
from probrl.program.wrt import Moved

if TYPE_CHECKING:
    from probrl.program.program import Program


class Builder:
    """Turns steps into what runs them: maximal runs of updates become units."""

    def __init__(self, program: Program, compile_with: Any):
        self.program, self.compile_with = program, compile_with
        self.groups: dict[tuple[int, ...], Group] = {}
        self.named: dict[str, Step] = {}  # whose loss goes by which name among the metrics
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
                unit = Unit(self.actions(pending, flat, stop), self.compile_with)
                runners.append(r.UnitRunner(unit))
                stop, pending = None if unit.descents else stop, []
            if step is not None:
                runners.append(self.host(step, flat))
        return runners[0] if len(runners) == 1 else r.Sequential(runners)

    def host(self, step: Step, flat: bool) -> r.Runner:
        """The runner of a step that the host decides on."""
        settled = self.program.settled
        if isinstance(step, Prepare):
            return r.PrepareRunner({k: settled(v) for k, v in step.columns.items()}, flat, self.program.looks_ahead)
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
            read = Columns(columns, exprs, flat)
            return r.FitRunner(inner, self.epochs(step.epochs), step.minibatch, rows, axes, read, step.stop is not None)
        if isinstance(step, type(self.program)):  # a program inside a program
            return self.sequence(step.steps, flat, None)
        raise ExpressionError(f"{type(step).__name__} cannot stand in a program")

    def epochs(self, epochs: Any) -> Any:
        """How often a Fit repeats: a number, or a function of the scope."""
        if not isinstance(epochs, Expr):
            return int(epochs)
        function = Function({"epochs": self.program.settled(epochs)})
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
                rate = Function({"tau": settled(step.tau)}, flat) if isinstance(step.tau, Expr) else None
                found.append(Moving(step.networks, step.role, None if rate else step.tau, rate))
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
        if isinstance(step.loss, n.Definition) and isinstance(step.loss.head, NamedHead):
            wanted = step.loss.head.name
        else:
            wanted = "loss" if self.losses == 1 else "loss_" + "_".join(m.name.replace("\\", "") for m in step.wrt)
        name, count = wanted, 1
        while self.named.setdefault(name, step) is not step:
            count += 1
            name = f"{wanted}_{count}"
        return name


def alike(entries: Sequence[Moved]) -> list[list[Moved]]:
    """The entries with something to move, those under one rule together."""
    found: list[list[Moved]] = []
    for entry in entries:
        same = next((g for g in found if g[0].optimizer == entry.optimizer), None)
        if entry.parameters:
            same.append(entry) if same is not None else found.append([entry])
    return found

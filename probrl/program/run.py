"""What runs a program's steps: each kind of step that the host decides on, over the units in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.state import Cell
from probrl.graph.batch import Columns, without_idle_rows
from probrl.graph.function import Function
from probrl.graph.misfit import explained
from probrl.program.unit import Unit


@dataclass
class Scope:
    """What a run of a program sees: its columns, its randomness, its scalars."""

    columns: dict[str, Any]
    generator: Generator
    scalars: Mapping[Cell, Tensor]
    stopped: Tensor | None = None
    metrics: dict[str, list[Any]] = field(default_factory=dict)
    drawn: dict[Expr, Tensor] = field(default_factory=dict)  # one draw is one value, whichever steps read it

    def note(self, found: Mapping[str, Any]) -> None:
        """Keeps the metrics of one pass."""
        for name, value in found.items():
            self.metrics.setdefault(name, []).append(value)


class Runner:
    """Base of what runs a step."""

    def run(self, scope: Scope) -> None:
        """One pass."""
        raise NotImplementedError

    def units(self) -> list[Unit]:
        """The units inside."""
        return []

    def counters(self) -> list[EveryRunner]:
        """The counters inside."""
        return []


class Sequential(Runner):
    """Runners one after the other."""

    def __init__(self, runners: Sequence[Runner]):
        self.runners = list(runners)

    def run(self, scope: Scope) -> None:
        for runner in self.runners:
            runner.run(scope)

    def units(self) -> list[Unit]:
        return [u for r in self.runners for u in r.units()]

    def counters(self) -> list[EveryRunner]:
        return [c for r in self.runners for c in r.counters()]


class UnitRunner(Runner):
    """A unit on the columns of the scope."""

    def __init__(self, unit: Unit):
        self.unit = unit

    def run(self, scope: Scope) -> None:
        self.run_over([scope.columns], scope, scope.drawn)

    def run_over(
        self, parts: Sequence[Mapping[str, Any]], scope: Scope, drawn: dict[Expr, Tensor] | None = None
    ) -> None:
        """A pass over each of several minibatches; each draws its own noise, unless it is given."""
        found, scope.stopped = self.unit.run(parts, scope.generator, scope.scalars, scope.stopped, drawn)
        for metrics in found:
            scope.note(metrics)

    def units(self) -> list[Unit]:
        return [self.unit]


class PrepareRunner(Runner):
    """New columns, computed without gradient on all rows of the scope."""

    def __init__(self, columns: Mapping[str, Expr], flat: bool, looks_ahead: Sequence[str]):
        self.function, self.looks_ahead = Function(columns, flat), () if flat else looks_ahead
        self.made = (
            {}
            if flat
            else {
                k: n.Symbol(k, x.type.rank, (*x.type.data, *x.type.index), None) for k, x in self.function.roots.items()
            }
        )
        self.orders = {name: _order(self.function, name, flat) for name in columns}

    @torch.no_grad()
    def run(self, scope: Scope) -> None:
        function = self.function
        bound = function.bind_once(scope.columns, scope.generator, scope.drawn, scope.scalars)
        with explained((function, bound)):
            results = function._forward(**function.networks(), **bound)
        for name, value in zip(function.values, results, strict=True):
            order = self.orders[name]
            scope.columns[name] = value if order is None else value.permute(*order, *range(len(order), value.dim()))
        scope.columns.update(without_idle_rows(scope.columns, self.made, self.looks_ahead))


def _order(function: Function, name: str, flat: bool) -> list[int] | None:
    value = function.values[name]
    t = function.roots[name].type
    wanted: list[str] = []
    for axis in (*t.data, *t.index):
        label = t.data[0].name if flat and axis.data else axis.name
        if label not in wanted:
            wanted.append(label)
    order = [value.axes.index(a) for a in wanted]
    return None if order == sorted(order) else order


class EveryRunner(Runner):
    """Runs its steps each n-th time."""

    def __init__(self, period: int, inner: Runner):
        self.period, self.inner, self.count = period, inner, 0

    def run(self, scope: Scope) -> None:
        self.count += 1
        if self.count % self.period == 0:
            self.inner.run(scope)

    def units(self) -> list[Unit]:
        return self.inner.units()

    def counters(self) -> list[EveryRunner]:
        return [self, *self.inner.counters()]


class FitRunner(Runner):
    """Repeats its steps, over shuffled minibatches when it has a size for them.

    Args:
        inner: the steps.
        epochs: how often, a number or a function of the scope.
        minibatch: units at a time, or None.
        rows: whether the unit is a row.
        axes: of each column that the steps read, how many data axes it has.
        columns: the check of those columns.
        stops: whether the Fit has a stop condition.
    """

    def __init__(
        self,
        inner: Runner,
        epochs: int | Callable[[Scope], int],
        minibatch: int | None,
        rows: bool,
        axes: Mapping[str, int],
        columns: Columns,
        stops: bool,
    ):
        self.inner, self.epochs, self.minibatch, self.rows = inner, epochs, minibatch, rows
        self.axes, self.columns, self.stops = axes, columns, stops

    def run(self, scope: Scope) -> None:
        epochs = self.epochs if isinstance(self.epochs, int) else self.epochs(scope)
        stopped = torch.zeros((), device=scope.generator.device) if self.stops else scope.stopped
        inside = Scope(dict(scope.columns), scope.generator, scope.scalars, stopped)
        done = 0
        for _ in range(epochs):
            self._epoch(inside)
            done += 1
            if self.stops and bool(inside.stopped):
                break
        scope.note(_averages(inside.metrics))
        if self.stops:
            scope.note({"epochs": torch.tensor(float(done))})
        if self.minibatch is None:
            scope.columns.update(inside.columns)

    def _epoch(self, scope: Scope) -> None:
        if self.minibatch is None:
            scope.drawn = {}
            self.inner.run(scope)
            return
        self.columns.take(scope.columns)  # what is missing or does not fit is refused before rows are cut
        columns = {name: self._rows(scope.columns, name) for name in self.axes}
        count = _first(columns).shape[0]
        order = torch.randperm(count, generator=scope.generator, device=scope.generator.device)
        size = min(self.minibatch, count)
        kept = order[: count // size * size]
        parts = _parts({name: _each(c, lambda x: x.index_select(0, kept)) for name, c in columns.items()}, size)
        if isinstance(self.inner, UnitRunner):
            most = self.inner.unit.most
            for first in range(0, len(parts), most):
                self.inner.run_over(parts[first : first + most], scope)
            return
        for columns in parts:
            part = Scope(columns, scope.generator, scope.scalars, scope.stopped, scope.metrics)
            self.inner.run(part)
            scope.stopped = part.stopped

    def _rows(self, columns: Mapping[str, Any], name: str) -> Any:
        most = max(self.axes.values())
        if not self.rows or most == 1:
            return columns[name]
        depth = self.axes[name]
        longest = _first({k: columns[k] for k, d in self.axes.items() if d == most})
        return _each(columns[name], lambda c: _flat(c, depth, longest.shape[:most]))

    def units(self) -> list[Unit]:
        return self.inner.units()

    def counters(self) -> list[EveryRunner]:
        return self.inner.counters()


def _parts(columns: Mapping[str, Any], size: int) -> list[dict[str, Any]]:
    """The rows of every column, so many at a time, as views."""
    cut = [_parts(c, size) if isinstance(c, Mapping) else c.split(size) for c in columns.values()]
    return [dict(zip(columns, part, strict=True)) for part in zip(*cut, strict=True)]


def _flat(column: Tensor, depth: int, shape: Sequence[int]) -> Tensor:
    """A column with one row for each of the longest columns' rows."""
    missing = len(shape) - depth
    if missing:
        view = column.reshape(*column.shape[:depth], *([1] * missing), *column.shape[depth:])
        column = view.expand(*shape, *column.shape[depth:])
    return column.flatten(0, len(shape) - 1)


def _each(column: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """A function of a column; of a nested dict, of every tensor in it."""
    return {k: _each(v, function) for k, v in column.items()} if isinstance(column, Mapping) else function(column)


def _first(column: Any) -> Tensor:
    """The first tensor of columns."""
    return _first(next(iter(column.values()))) if isinstance(column, Mapping) else column


def _averages(metrics: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
    """Of each metric the mean over the minibatches; of what is per row, the last."""
    found = {name: values[-1] for name, values in metrics.items()}
    lengths: dict[tuple[int, torch.device], list[str]] = {}
    for name, values in metrics.items():
        if len(values) > 1 and not values[-1].dim():
            lengths.setdefault((len(values), values[-1].device), []).append(name)
    for (length, device), names in lengths.items():
        if device.type == "cpu":  # where reading waits for nothing, Python's numbers cost a tenth of torch's operations
            means = [sum(v.item() for v in metrics[name]) / length for name in names]
            found.update(zip(names, torch.tensor(means, dtype=torch.float32).unbind(), strict=True))
            continue
        scalars = torch.stack([v.to(torch.float32) for name in names for v in metrics[name]])
        found.update(zip(names, scalars.view(-1, length).mean(1).unbind(), strict=True))
    return found


def read_columns(exprs: Sequence[Expr]) -> dict[str, n.Symbol]:
    """The columns that formulas read, masks included."""
    from probrl.expr.traversal import executed, walk

    found: dict[str, n.Symbol] = {}
    for node in walk(*exprs, through=executed):
        if isinstance(node, n.Symbol) and node.depth is None:
            found[node.name] = node
            for axis in node.axes:
                if axis.mask is not None:
                    data = tuple(a for a in node.axes if a.data and (a == axis or a.mask is None))
                    found.setdefault(axis.mask, n.Symbol(axis.mask, 0, data, None))
    return found

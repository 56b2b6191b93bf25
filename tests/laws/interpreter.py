"""The independent truth: a formula evaluated by plain recursion over its nodes, slowly and without any graph.

Nothing here is shared with the package's lowering: values carry the names of their dimensions and are lined up by
them, recursions are loops over the index, derivatives are taken one element of one row at a time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatchmethod

import torch
from torch import Tensor

from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.expr.traversal import everything, walk

REAL = torch.float64


@dataclass(frozen=True, eq=False)
class Named:
    """A tensor whose leading dimensions are called ``names``; the others are the event's."""

    names: tuple[str, ...]
    data: Tensor

    @property
    def rank(self) -> int:
        return self.data.dim() - len(self.names)

    def size(self, name: str) -> int:
        return self.data.shape[self.names.index(name)]

    def real(self) -> Tensor:
        return self.data if self.data.is_floating_point() else self.data.to(REAL)

    def laid(self, names: tuple[str, ...], rank: int) -> Tensor:
        """The tensor with one dimension per name (size 1 where it has none) and ``rank`` event dimensions."""
        present = [m for m in names if m in self.names]
        assert set(self.names) <= set(names), (self.names, names)
        order = [self.names.index(m) for m in present] + list(range(len(self.names), self.data.dim()))
        event = self.data.shape[len(self.names) :]
        shape = [self.size(m) if m in self.names else 1 for m in names]
        return self.real().permute(order).reshape((*shape, *([1] * (rank - self.rank)), *event))

    def select(self, name: str, index: int) -> Named:
        """The entry at an index of a dimension; the value itself where it has no such dimension."""
        if name not in self.names:
            return self
        return Named(tuple(m for m in self.names if m != name), self.data.select(self.names.index(name), index))


@dataclass(eq=False)
class Scope:
    """Where a sub-formula is evaluated: what is bound here, and (in a recursion) at which index of which axis."""

    parent: Scope | None = None
    bound: dict[Expr, Named] = field(default_factory=dict)
    axis: str | None = None
    index: int = 0
    memo: dict[Expr, Named | tuple] = field(default_factory=dict)
    needing: dict[Expr, bool] = field(default_factory=dict)


def union(*values: Named) -> tuple[tuple[str, ...], int]:
    """The names and the rank that values have together."""
    names = tuple(dict.fromkeys(m for v in values for m in v.names))
    return names, max(v.rank for v in values)


def needs(x: Expr, scope: Scope) -> bool:
    """Whether what an expression runs depends on something bound here; randomness is an input and does not."""
    if x in scope.bound:
        return True
    if isinstance(x, n.Noise):
        return False
    if x not in scope.needing:
        below = (x.body,) if isinstance(x, n.Definition) else _parts(x)
        scope.needing[x] = any(needs(c, scope) for c in below)
    return scope.needing[x]


def _parts(x: Expr) -> tuple[Expr, ...]:
    parts: list[Expr] = []
    for name in x.fields:
        value = getattr(x, name)
        parts += (
            [value]
            if isinstance(value, Expr)
            else [v for v in value if isinstance(v, Expr)]
            if isinstance(value, tuple)
            else []
        )
    return tuple(parts)


class Interpreter:
    """Evaluates formulas on a batch, with given noise.

    Args:
        batch: the columns, laid out ``(batch, *declared axes, *event)``.
        noise: the value of every source of randomness, laid out as its type says.
        cells: the value of scalars; without one, what the cell holds or starts from.
        sizes: how long axes are, where nothing outside a recursion's body says it.
        events: how large the events of a recursion's states are that start from a number, by the state's name.

    Attributes:
        closest: how near any decision came to falling the other way: comparisons, extrema, floors, absolute values.
    """

    def __init__(
        self,
        batch: Mapping[str, Tensor],
        noise: Mapping[Expr, Tensor] | None = None,
        cells: Mapping | None = None,
        sizes: Mapping[str, int] | None = None,
        events: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        self.batch, self.noise, self.cells = batch, dict(noise or {}), dict(cells or {})
        self.sizes, self.events = dict(sizes or {}), dict(events or {})
        self.root = Scope()
        self.closest = math.inf
        self.program: tuple[Expr, ...] = ()

    def __call__(self, expr: Expr) -> Tensor:
        """The value, laid out as the type of the expression says."""
        self.program = (*self.program, expr)
        value = self.value(expr, self.root)
        data = value.laid(expr.type.names, value.rank)
        sizes = [self.size(name) for name in expr.type.names]
        return data.expand((*sizes, *data.shape[len(sizes) :]))

    # --- the recursion over nodes ------------------------------------------------------------------------------
    def value(self, x: Expr, scope: Scope) -> Named:
        if x in scope.bound:
            return scope.bound[x]
        if scope.parent is not None and not needs(x, scope):
            outer = self.value(x, scope.parent)
            return outer.select(scope.axis, scope.index) if scope.axis else outer
        if x not in scope.memo:
            scope.memo[x] = self.of(x, scope)
        found = scope.memo[x]
        return found[0] if isinstance(found, tuple) else found

    def all(self, x: Expr, scope: Scope) -> list[Named]:
        """Every output of a node that has several."""
        if scope.parent is not None and not needs(x, scope):
            outer = self.all(x, scope.parent)
            return [v.select(scope.axis, scope.index) for v in outer] if scope.axis else outer
        self.value(x, scope)
        found = scope.memo[x]
        return list(found) if isinstance(found, tuple) else [found]

    def size(self, axis: str) -> int:
        """How long an axis is: given, or asked of the node that brings it in."""
        if axis in self.sizes:
            return self.sizes[axis]
        for x in walk(*self.program, through=everything):
            if axis not in x.type.names:
                continue
            if isinstance(x, n.Symbol) and x.depth is None and x.name in self.batch:
                return self.batch[x.name].shape[x.type.names.index(axis)]
            if isinstance(x, n.Noise):
                given = self.noise[x]
                return given.shape[x.type.names.index(axis)]
            if isinstance(x, n.Join) and x.axis is not None and x.axis.name == axis:
                return len(x.items)
            introduces = isinstance(x, (n.Rename, n.Call)) or (isinstance(x, n.Range) and x.of is not None)
            if introduces and not any(axis in c.type.names for c in _parts(x)) and not self._open(x):
                return self.value(x, self.root).size(axis)
        raise AssertionError(f"nothing says how long {axis} is")

    def _open(self, x: Expr) -> bool:
        return any(isinstance(c, n.Symbol) and c.depth is not None for c in walk(x, through=everything))

    def mask(self, axis: Axis, scope: Scope) -> Named | None:
        """Which rows count along an axis."""
        if axis.mask is None:
            return None
        column = self.batch[axis.mask]
        data = tuple(dict.fromkeys([axis.source or "batch", axis.name]))
        value = Named(data[-column.dim() :] if column.dim() < len(data) else data, column != 0)
        at: Scope | None = scope
        while at is not None:
            value = value.select(at.axis, at.index) if at.axis else value
            at = at.parent
        return value

    @singledispatchmethod
    def of(self, x: Expr, scope: Scope) -> Named | tuple[Named, ...]:
        raise NotImplementedError(type(x).__name__)

    def near(self, gap: Tensor) -> None:
        """Takes note of how far decisions are from falling the other way; ties of what is exactly alike count."""
        if gap.numel():
            self.closest = min(self.closest, float(gap.detach().abs().min()))

    # --- leaves ------------------------------------------------------------------------------------------------
    @of.register
    def _(self, x: n.Symbol, scope: Scope) -> Named:
        assert x.depth is None, f"unbound {x}"
        return Named(x.type.names, self.batch[x.name])

    @of.register
    def _(self, x: n.Number, scope: Scope) -> Named:
        return Named((), torch.tensor(float(x.value), dtype=REAL))

    @of.register
    def _(self, x: n.State, scope: Scope) -> Named:
        if x.cell in self.cells:
            return Named((), self.cells[x.cell])
        stored = x.cell.storage
        if stored is None:
            return Named((), torch.tensor(x.cell.initial, dtype=REAL))
        return Named((), torch.exp(stored) if x.cell.positive else stored * 1.0)

    @of.register
    def _(self, x: n.Noise, scope: Scope) -> Named:
        return Named(x.type.names, self.noise[x])

    @of.register
    def _(self, x: n.Range, scope: Scope) -> Named:
        size = self.value(x.of, scope).size(x.axis.name) if x.of is not None else self.size(x.axis.name)
        return Named((x.axis.name,), torch.tensor([float(i) for i in range(size)], dtype=REAL))

    # --- one element at a time ---------------------------------------------------------------------------------
    def _aligned(self, scope: Scope, *parts: Expr) -> tuple[tuple[str, ...], list[Tensor]]:
        values = [self.value(p, scope) for p in parts]
        names, rank = union(*values)
        return names, [v.laid(names, rank) for v in values]

    @of.register
    def _(self, x: n.Add, scope: Scope) -> Named:
        names, (a, b) = self._aligned(scope, x.x, x.y)
        return Named(names, a + b)

    @of.register
    def _(self, x: n.Mul, scope: Scope) -> Named:
        names, (a, b) = self._aligned(scope, x.x, x.y)
        return Named(names, a * b)

    @of.register
    def _(self, x: n.Pow, scope: Scope) -> Named:
        names, (a, b) = self._aligned(scope, x.x, x.y)
        if isinstance(x.y, n.Number) and float(x.y.value) == int(x.y.value):  # integer powers take every base
            whole = abs(int(x.y.value))
            product = torch.ones_like(a)
            for _ in range(whole):
                product = product * a
            return Named(names, product if x.y.value >= 0 else 1 / product)
        return Named(names, torch.exp(b * torch.log(a)))

    @of.register
    def _(self, x: n.Unary, scope: Scope) -> Named:
        v = self.value(x.x, scope)
        if x.op in ("abs", "sign"):
            self.near(v.real())
        if x.op == "floor":
            self.near(v.real() - v.real().round())
        return Named(v.names, UNARY[x.op](v.real()))

    @of.register
    def _(self, x: n.Extremum, scope: Scope) -> Named:
        names, (a, b) = self._aligned(scope, x.x, x.y)
        self.near(a - b)
        first = a < b if x.op == "min" else a > b
        return Named(names, torch.where(first, a, b))

    @of.register
    def _(self, x: n.Compare, scope: Scope) -> Named:
        names, (a, b) = self._aligned(scope, x.x, x.y)
        self.near(torch.where(a == b, 1.0, a - b) if x.op in ("eq", "ne") else a - b)
        return Named(names, COMPARE[x.op](a.detach(), b.detach()).to(REAL))

    @of.register
    def _(self, x: n.Where, scope: Scope) -> Named:
        names, (c, a, b) = self._aligned(scope, x.condition, x.x, x.y)
        return Named(names, torch.where(c != 0, a, b))

    # --- axes --------------------------------------------------------------------------------------------------
    @of.register
    def _(self, x: n.Reduce, scope: Scope) -> Named:
        v = self.value(x.x, scope)
        if x.over == "event":
            rows = [
                self.fold(x.op, list(row.reshape(-1))) for row in v.real().reshape(-1, *v.data.shape[len(v.names) :])
            ]
            return Named(v.names, torch.stack(rows).reshape(v.data.shape[: len(v.names)]))
        over = [a for a in x.x.type.axes if (a.data if x.over == "data" else a.name in x.over)]
        # a mask has a value for every row of the data, so it counts along every axis of the data that has no mask itself
        rows = {a.source for a in over if a.data and a.mask is None}
        owners = [a for a in x.x.type.axes if a in over or (a.data and a.mask is not None and a.source in rows)]
        masks = [m for m in (self.mask(a, scope) for a in owners) if m is not None]
        gone = tuple(a.name for a in over)
        kept = tuple(m for m in v.names if m not in gone)
        names = (*kept, *gone, *(m for mask in masks for m in mask.names if m not in kept and m not in gone))
        full = v.laid(names, v.rank)
        counts = torch.ones([1] * len(names), dtype=torch.bool)
        for mask in masks:
            counts = counts & (mask.laid(names, 0) != 0)
        sizes = [self.size(m) for m in names]
        full = full.expand((*sizes, *full.shape[len(names) :]))
        counts = counts.expand(sizes)
        event = full.shape[len(names) :]
        outer = sizes[: len(kept)]
        cells = []
        for at in itertools.product(*(range(s) for s in outer)):
            entries = [full[at][i] for i in itertools.product(*(range(s) for s in sizes[len(kept) :])) if counts[at][i]]
            cells.append(self.fold(x.op, entries) if entries else torch.zeros(event, dtype=REAL))
        return Named(kept, torch.stack(cells).reshape((*outer, *event)))

    def fold(self, op: str, entries: list[Tensor]) -> Tensor:
        result = entries[0]
        for e in entries[1:]:
            if op in ("sum", "mean"):
                result = result + e
            else:
                self.near(e - result)
                result = torch.where(e < result, e, result) if op == "min" else torch.where(e > result, e, result)
        return result / len(entries) if op == "mean" else result

    @of.register
    def _(self, x: n.Arg, scope: Scope) -> Named:
        v = self.value(x.x, scope).real().detach()
        names = self.value(x.x, scope).names
        v = v.movedim(names.index(x.axis), -1)
        rows = []
        for row in v.reshape(-1, v.shape[-1]).tolist():
            best = row.index(max(row) if x.op == "max" else min(row))
            self.near(torch.tensor([e - row[best] for i, e in enumerate(row) if i != best]))
            rows.append(best)
        kept = tuple(m for m in names if m != x.axis)
        return Named(kept, torch.tensor(rows).reshape(v.shape[:-1]))

    @of.register
    def _(self, x: n.At, scope: Scope) -> Named:
        v, index = self.value(x.x, scope), self.value(x.index, scope)
        inner = tuple(m for m in v.names if m != x.axis)
        names = tuple(dict.fromkeys((*inner, *index.names)))
        sizes = [v.size(m) if m in v.names else index.size(m) for m in names]
        picked = []
        for at in itertools.product(*(range(s) for s in sizes)):
            where = dict(zip(names, at, strict=True))
            i = int(index.data[tuple(where[m] for m in index.names)])
            picked.append(v.real()[tuple(i if m == x.axis else where[m] for m in v.names)])
        return Named(names, torch.stack(picked).reshape((*sizes, *picked[0].shape)))

    @of.register
    def _(self, x: n.Rename, scope: Scope) -> Named:
        v = self.value(x.x, scope)
        if x.source is None:
            return Named((*v.names, x.target), v.data.movedim(-1, len(v.names)))
        if x.target is None:
            return Named(tuple(m for m in v.names if m != x.source), v.data.movedim(v.names.index(x.source), -1))
        return Named(tuple(x.target if m == x.source else m for m in v.names), v.data)

    @of.register
    def _(self, x: n.Shift, scope: Scope) -> Named:
        v = self.value(x.x, scope)
        axis = x.x.type.axis(x.axis)
        length = self.size(x.axis)
        mask = self.mask(axis, scope)
        first = None if x.first is None else self.value(x.first, scope)
        rows = []
        for i in range(length):
            if x.offset > 0:
                rows.append(v.select(x.axis, min(i + 1, length - 1)))
                continue
            assert first is not None
            start = first.select(x.axis, i)
            if i == 0:
                rows.append(start)
            elif mask is None:
                rows.append(v.select(x.axis, i - 1))
            else:
                rows.append(_choose(mask.select(x.axis, i - 1), v.select(x.axis, i - 1), start))
        return _stack(rows, x.axis)

    @of.register
    def _(self, x: n.Join, scope: Scope) -> Named:
        if x.axis is not None:
            return _stack([self.value(i, scope) for i in x.items], x.axis.name)
        values = [self.value(i, scope) for i in x.items]
        values = [v if v.rank else Named(v.names, v.real().unsqueeze(-1)) for v in values]
        names, _ = union(*values)
        laid = [v.laid(names, 1) for v in values]
        rows = torch.broadcast_shapes(*(t.shape[:-1] for t in laid))
        return Named(names, torch.cat([t.expand(*rows, t.shape[-1]) for t in laid], -1))

    # --- structure ---------------------------------------------------------------------------------------------
    @of.register
    def _(self, x: n.Call, scope: Scope) -> tuple[Named, ...]:
        values = [self.value(a, scope) for a in x.args]
        names = tuple(dict.fromkeys(m for v in values for m in v.names))
        sizes = [next(v.size(m) for v in values if m in v.names) for m in names]
        rows = 1
        for s in sizes:
            rows *= s
        args = []
        for v in values:
            # an integer stays one, for a network may embed it
            keep = Named(v.names, v.data)
            order = [keep.names.index(m) for m in names if m in keep.names]
            event = keep.data.shape[len(keep.names) :]
            laid = keep.data.permute((*order, *range(len(order), keep.data.dim())))
            laid = laid.reshape((*(keep.size(m) if m in keep.names else 1 for m in names), *event))
            args.append(laid.expand((*sizes, *event)).reshape((rows, *event)))
        out = run(x.net, x.role, args)
        ranks = x.rank if isinstance(x.rank, tuple) else (x.rank,)
        outs = out if isinstance(out, (tuple, list)) else (out,)
        lead = tuple(a.name for a in x.lead)
        named = []
        for y, rank in zip(outs, ranks, strict=True):
            y = y.reshape((*y.shape[: len(lead)], *sizes, *y.shape[len(lead) + 1 :]))
            named.append(_squeezed(Named((*lead, *names), y), rank))
        return tuple(named)

    @of.register
    def _(self, x: n.Item, scope: Scope) -> Named:
        outputs = self.all(x.x, scope)
        if len(outputs) > 1 or isinstance(x.x, n.Recursion):
            return outputs[x.index]
        (whole,) = outputs
        width = whole.data.shape[-1] // x.count
        part = Named(whole.names, whole.data[..., x.index * width : (x.index + 1) * width])
        return _squeezed(part, x.type.rank)

    @of.register
    def _(self, x: n.StopGradient, scope: Scope) -> Named:
        v = self.value(x.x, scope)
        return Named(v.names, v.data.detach())

    @of.register
    def _(self, x: n.Definition, scope: Scope) -> Named:
        return self.value(x.body, scope)

    @of.register
    def _(self, x: n.Derivative, scope: Scope) -> Named:
        points: dict[Expr, Named] = {}
        for w in x.wrt:
            v = self.value(w, scope)
            leaf = v.real() * 1.0 if v.real().requires_grad else v.real().clone().requires_grad_()
            points[w] = Named(v.names, leaf)
        with torch.enable_grad():
            inner = Scope(parent=scope, bound=points)
            y = self.value(x.y, inner)
            if x.op == "grad":
                return self._gradient(y, points[x.wrt[0]])
            tangents = [self.value(t, scope) for t in x.tangents]
            return self._directional(y, list(points.values()), tangents)

    def _gradient(self, y: Named, at: Named) -> Named:
        total = torch.zeros_like(at.data)
        for element in y.real().reshape(-1):
            total = total + _derivative(element, at.data)
        return Named(at.names, total)

    def _directional(self, y: Named, points: list[Named], tangents: list[Named]) -> Named:
        extra = tuple(
            dict.fromkeys(m for p, v in zip(points, tangents, strict=True) for m in v.names if m not in p.names)
        )
        names = tuple(dict.fromkeys((*y.names, *extra)))
        sizes = [y.size(m) if m in y.names else next(v.size(m) for v in tangents if m in v.names) for m in names]
        event = y.data.shape[len(y.names) :]
        results = []
        for at in itertools.product(*(range(s) for s in sizes)):
            where = dict(zip(names, at, strict=True))
            row = y.real()[tuple(where[m] for m in y.names)]
            along = []
            for p, v in zip(points, tangents, strict=True):
                for m in v.names:
                    if m not in p.names:
                        v = v.select(m, where[m])
                along.append(v.laid(p.names, p.rank))
            entries = []
            for element in row.reshape(-1):
                parts = [(_derivative(element, p.data) * v).sum() for p, v in zip(points, along, strict=True)]
                entries.append(sum(parts[1:], parts[0]))
            results.append(torch.stack(entries).reshape(event))
        return Named(names, torch.stack(results).reshape((*sizes, *event)))

    def start(self, state: n.Symbol, init: Named) -> Named:
        """What a state starts from, in the shape of its events."""
        if not state.rank or init.rank:
            return init
        event = self.events[state.name]
        return Named(
            init.names, init.real().reshape((*init.data.shape, *([1] * len(event)))).expand((*init.data.shape, *event))
        )

    @of.register
    def _(self, x: n.Recursion, scope: Scope) -> tuple[Named, ...]:
        inits = [self.start(s, self.value(i, scope)) for s, i in zip(x.states, x.inits, strict=True)]
        length = self.size(x.axis)
        axis = next(a for o in (*x.steps, *x.outputs) for a in o.type.axes if a.name == x.axis)
        mask = self.mask(axis, scope)
        states = inits
        kept: dict[int, list[Named]] = {}
        for i in reversed(range(length)) if x.reverse else range(length):
            here = Scope(scope, dict(zip(x.states, states, strict=True)), x.axis, i)
            states = [self.value(s, here) for s in x.steps]
            outputs = [self.value(o, here) for o in x.outputs]
            if mask is not None:
                live = mask.select(x.axis, i)
                states = [_choose(live, s, init) for s, init in zip(states, inits, strict=True)]
                outputs = [
                    states[x.steps.index(e)] if e in x.steps else o for o, e in zip(outputs, x.outputs, strict=True)
                ]
            kept[i] = outputs
        return tuple(_stack([kept[i][k] for i in range(length)], x.axis) for k in range(len(x.outputs)))


def _choose(live: Named, x: Named, otherwise: Named) -> Named:
    names, rank = union(live, x, otherwise)
    return Named(names, torch.where(live.laid(names, rank) != 0, x.laid(names, rank), otherwise.laid(names, rank)))


def _stack(values: list[Named], axis: str) -> Named:
    names, rank = union(*values)
    laid = [v.laid(names, rank) for v in values]
    shape = torch.broadcast_shapes(*(t.shape for t in laid))
    return Named((axis, *names), torch.stack([t.expand(shape) for t in laid]))


def _derivative(element: Tensor, at: Tensor) -> Tensor:
    if not element.requires_grad:
        return torch.zeros_like(at)
    (found,) = torch.autograd.grad(element, at, create_graph=True, allow_unused=True)
    return torch.zeros_like(at) if found is None else found


def _squeezed(v: Named, rank: int) -> Named:
    return Named(v.names, v.data.squeeze(-1)) if v.rank == rank + 1 and v.data.shape[-1] == 1 else v


def run(net, role: str, args: list[Tensor]):
    """A network in a role: the live one, the live one held still, or another's copy."""
    if role == "live" or net.pure:
        return net.module(*args)
    if role == "frozen":
        tensors = {k: v.detach() for k, v in (*net.module.named_parameters(), *net.module.named_buffers())}
    else:
        tensors = net.copies[role]
    return torch.func.functional_call(net.module, tensors, tuple(args))


UNARY = {
    "exp": torch.exp,
    "log": torch.log,
    "tanh": lambda x: 1 - 2 / (torch.exp(2 * x) + 1),
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "softplus": lambda x: torch.log1p(torch.exp(-x.abs())) + x.clamp(min=0),
    "abs": lambda x: torch.where(x < 0, -x, x),
    "sin": torch.sin,
    "cos": torch.cos,
    "atan": torch.atan,
    "floor": lambda x: torch.floor(x.detach()),
    "sign": lambda x: (x > 0).to(REAL) - (x < 0).to(REAL),
    "lgamma": torch.lgamma,
    "digamma": torch.digamma,
}
COMPARE = {
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}

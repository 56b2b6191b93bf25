"""From a formula to a ``torch.fx`` graph: every sub-formula once, aligned by the names of its axes."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import fx

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis, batch_of
from probrl.expr.base import Expr
from probrl.expr.state import Cell, Network
from probrl.expr.traversal import executed, walk
from probrl.graph import ops


class Value(NamedTuple):
    """A lowered sub-formula: a graph node (or a Python number), what its dimensions mean, and whether it is boolean."""

    node: Any
    axes: tuple[str, ...] = ()
    rank: int | None = 0
    boolean: bool = False

    @property
    def number(self) -> bool:
        """Whether it is a Python number."""
        return isinstance(self.node, (int, float))


class Inputs:
    """What a graph takes, in the order of its placeholders."""

    def __init__(self) -> None:
        self.columns: dict[str, n.Symbol] = {}
        self.targets: dict[str, str] = {}  # of each column, the placeholder
        self.noises: dict[n.Noise, str] = {}
        self.cells: dict[Cell, str] = {}
        self.networks: dict[tuple[Network, str], str] = {}


class Lowering:
    """Builds one graph out of formulas that share their sub-formulas.

    Args:
        flat: whether all data axes are one, as in a minibatch of rows.
    """

    def __init__(self, flat: bool = False, graph: fx.Graph | None = None) -> None:
        self.graph = graph or fx.Graph()
        self.flat = flat
        self.inputs = Inputs()
        self.modules: dict[str, torch.nn.Module] = {}
        self.values: dict[Expr, Value] = {}
        self.sizes: dict[str, tuple[Any, int]] = {}
        self.masks: dict[str, Value] = {}
        self._placeholders: dict[tuple[str, Any], fx.Node] = {}
        self._names: set[str] = set()
        self._memo: dict[Any, Any] = {}
        self.held: set[Expr] = set()
        self.roots: tuple[Expr, ...] = ()
        self.drop: str | None = None
        self.recursions: dict[Expr, list[Value]] = {}

    # --- entry -------------------------------------------------------------------------------------------------
    def hold(self, roots: Sequence[Expr]) -> None:
        """Finds the calls that only a stop-gradient reads: they run without recording a gradient.

        Not those that a derivative is taken through: it needs their gradient whoever reads it.
        """
        self.roots = tuple(roots)
        live = set(walk(*roots, through=lambda x: () if isinstance(x, n.StopGradient) else executed(x)))
        derived = [x.y for x in walk(*roots, through=executed) if isinstance(x, n.Derivative)]
        live.update(walk(*derived, through=executed))
        self.held = {x for x in walk(*roots, through=executed) if isinstance(x, n.Call) and x not in live}

    def lower(self, expr: Expr) -> Value:
        """The value of a formula; the same formula gives the same node."""
        found = self.values.get(expr)
        if found is None:
            from probrl.graph.rules import rule

            found = rule(expr, self)
            self.values[expr] = found
            self.measure(found)
        return found

    def measure(self, value: Value) -> None:
        """Remembers where the size of each axis can be read."""
        if not value.number and value.rank is not None:
            for dim, axis in enumerate(value.axes):
                self.sizes.setdefault(axis, (value.node, dim))

    # --- inputs ------------------------------------------------------------------------------------------------
    def placeholder(self, kind: str, key: Any, name: str) -> fx.Node:
        """An input of the graph, once."""
        known = self._placeholders.get((kind, key))
        if known is None:
            name = _identifier(name)
            # a node's name would be given to the placeholder with a number, and two that swap names be mixed up
            taken = self._names | {node.name for node in self.graph.nodes}
            unique = next(u for u in (name, *(f"{name}_{i}" for i in range(2, len(taken) + 3))) if u not in taken)
            self._names.add(unique)
            body = next((node for node in self.graph.nodes if node.op != "placeholder"), None)
            with self.graph.inserting_before(body) if body is not None else nullcontext():
                known = self.graph.placeholder(unique)
            self._placeholders[kind, key] = known
        return known

    def reference(self) -> Any:
        """Some column of the data, for the device and the type of what is made anew."""
        columns = [node for (kind, _), node in self._placeholders.items() if kind in ("column", "captured", "argument")]
        if not columns:
            raise ExpressionError("a recursion needs a column of the data in its body")
        return columns[0]

    def network(self, net: Network, role: str) -> Any:
        """The input through which a network in a role is called."""
        if net.module is None:
            raise ExpressionError(f"{net.name} is declared without a network, so it prints but cannot run: give it one")
        node = self.placeholder("network", (net, role), net.name if role == "live" else f"{net.name}_{role}")
        self.inputs.networks[net, role] = str(node.target)
        return node

    # --- emission ----------------------------------------------------------------------------------------------
    def emit(self, function: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """A call of a function in the graph; the same call twice is one node."""
        key = (function, _hashable(args), _hashable(tuple(sorted(kwargs.items()))))
        if key not in self._memo:
            self._memo[key] = self.graph.call_function(function, args, kwargs)
        return self._memo[key]

    def names(self, axes: Iterable[Axis]) -> tuple[str, ...]:
        """The names that axes have in this graph: in a flat one all data axes are the first of them."""
        out: list[str] = []
        first = next((a.name for a in axes if a.data), None)
        for a in axes:
            name = first if self.flat and a.data else a.name
            if name is not None and name not in out:
                out.append(name)
        return tuple(out)

    def align(self, value: Value, axes: tuple[str, ...], rank: int) -> Any:
        """The node of a value, viewed so that it broadcasts against the given axes and rank."""
        if value.number or (not value.axes and value.rank in (0, rank)):
            return value.node
        node = value.node
        ordered = tuple(a for a in axes if a in value.axes)
        event = value.rank or 0
        if ordered != value.axes:
            order = [value.axes.index(a) for a in ordered] + list(range(len(ordered), len(ordered) + event))
            node = self.emit(torch.permute, node, tuple(order))
        started = False
        position = 0
        for a in axes:
            if a in ordered:
                started = True
            elif started:
                node = self.emit(torch.unsqueeze, node, position)
            else:
                continue
            position += 1
        for _ in range(rank - event):
            node = (
                self.emit(torch.unsqueeze, node, -1) if event == 0 else self.emit(torch.unsqueeze, node, len(ordered))
            )
        return node

    def lead(self, node: Any, count: int) -> Any:
        """A node with dimensions of size 1 in front."""
        for _ in range(count):
            node = self.emit(torch.unsqueeze, node, 0)
        return node

    def spread(self, value: Value, axes: tuple[str, ...], rank: int | None = None) -> Any:
        """The node of a value with a dimension for every one of the axes, of size 1 where it lacks the axis."""
        node = self.align(value, axes, (value.rank or 0) if rank is None else rank)
        return self.lead(node, next((i for i, a in enumerate(axes) if a in value.axes), len(axes)))

    def union(self, values: Sequence[Value]) -> tuple[tuple[str, ...], int]:
        """The axes and the rank that values have together, ordered so that the longest needs no view."""
        axes: tuple[str, ...] = ()
        for value in sorted(values, key=lambda v: -len(v.axes)):
            missing = tuple(a for a in value.axes if a not in axes)
            axes = axes + missing if axes else missing
        return axes, max((v.rank or 0 for v in values), default=0)

    def pointwise(self, function: Any, *values: Value, boolean: bool = False) -> Value:
        """An elementwise function of aligned values."""
        axes, rank = self.union(values)
        return Value(self.emit(function, *(self.align(v, axes, rank) for v in values)), axes, rank, boolean)

    def numeric(self, value: Value, like: Value | None = None) -> Value:
        """An indicator as a number."""
        if not value.boolean:
            return value
        if like is not None and not like.number:
            return value._replace(node=self.emit(_as_number, value.node, like.node), boolean=False)
        return value._replace(node=self.emit(torch.Tensor.float, value.node), boolean=False)

    def laid_out(self, value: Value, axes: Iterable[Axis]) -> Value:
        """The value with its dimensions in the order that the type of its formula gives."""
        ordered = tuple(a for a in self.names(axes) if a in value.axes)
        if value.number or ordered == value.axes or len(ordered) != len(value.axes):
            return value
        return value._replace(node=self.align(value, ordered, value.rank or 0), axes=ordered)

    # --- masks -------------------------------------------------------------------------------------------------
    def mask(self, axes: Iterable[Axis]) -> Value | None:
        """The rows that count along axes: the product of their masks as a boolean, or None without masks."""
        found: Value | None = None
        for axis in axes:
            if axis.mask is not None:
                value = self._mask_of(axis)
                found = value if found is None else self.pointwise(torch.logical_and, found, value, boolean=True)
        return found

    def _mask_of(self, axis: Axis) -> Value:
        if axis.mask not in self.masks:
            rows = tuple(dict.fromkeys((batch_of(axis.source), axis)))
            owners = next((x.axes for x in self._columns() if axis in x.axes), rows)
            data = tuple(a for a in owners if a.data and (a == axis or a.mask is None))
            column = n.Symbol(axis.mask, 0, data, None)
            value = self.lower(column)
            self.masks[str(axis.mask)] = Value(self.emit(_truth, value.node), value.axes, 0, True)
        return self.masks[str(axis.mask)]

    def _columns(self) -> list[n.Symbol]:
        return [x for x in self.values if isinstance(x, n.Symbol)]

    def guard(self, expr: Expr, value: Value, fill: float) -> Value:
        """The value with the rows that do not count filled: their gradient must not be NaN times zero."""
        mask = None if value.number else self.mask(a for a in expr.type.axes if a.mask is not None)
        if mask is None or not set(mask.axes) <= set(value.axes):
            return value
        return value._replace(
            node=self.emit(torch.where, self.align(mask, value.axes, value.rank or 0), value.node, fill)
        )

    def size(self, axis: str) -> Any:
        """The size of an axis, as a graph node or a number."""
        if axis not in self.sizes:
            self._find(axis)
        if axis not in self.sizes:
            raise ExpressionError(
                f"nothing in the formula says how long the axis '{axis}' is; pr.index('{axis}') needs a column or a draw with that axis"
            )
        node, dim = self.sizes[axis]
        return node if dim < 0 else self.emit(torch.Tensor.size, node, dim)

    def _find(self, axis: str) -> None:
        """Lowers something that has the axis, so that its size can be read."""
        nodes = [x for x in walk(*self.roots, through=executed) if axis in self.names(x.type.axes)]
        for kind in (n.Symbol, n.Noise, n.Rename, n.Call):
            for x in nodes:
                if isinstance(x, kind) and not (isinstance(x, n.Symbol) and x.depth is not None):
                    self.lower(x)
                    return

    # --- result ------------------------------------------------------------------------------------------------
    def finish(self, outputs: Any) -> fx.GraphModule:
        """The graph as a module whose output is the given structure of nodes."""
        self.graph.output(outputs)
        root = torch.nn.Module()
        for name, module in self.modules.items():
            root.add_module(name, module)
        return fx.GraphModule(root, self.graph)


def _as_number(indicator: Any, like: Any) -> Any:
    """1 and 0 in the type of the numbers that were compared."""
    return indicator.to(like.dtype if like.is_floating_point() else torch.get_default_dtype())


def _truth(column: Any) -> Any:
    """A mask column as a boolean."""
    return column if column.dtype is torch.bool else column != 0


def _hashable(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(_hashable(v) for v in value)
    if isinstance(value, dict):
        return tuple((k, _hashable(v)) for k, v in value.items())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return type(value), repr(value)
    return value


def _identifier(name: str) -> str:
    text = "".join(c if c.isalnum() else "_" for c in name.replace("\\", ""))
    text = "_".join(part for part in text.split("_") if part)
    text = text if text[:1].isalpha() else f"n{text}"
    own = {"self", "torch", "device", "inf", "nan"}  # the generated source's, beside the graph's operations
    return f"{text}_" if keyword.iskeyword(text) or text in own or hasattr(ops, text) else text

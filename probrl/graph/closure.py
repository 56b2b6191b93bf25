"""A part of a formula as a function of some of its nodes: what derivatives and recursions are taken of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import fx

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.state import Network
from probrl.expr.traversal import everything, walk
from probrl.graph.lowering import Lowering, Value


class Closure(Lowering):
    """Lowers formulas as functions of cut nodes; what does not depend on them is computed outside and handed in.

    Args:
        parent: the graph around.
        cuts: the nodes that become arguments, with their names and how their values look.
        roots: the formulas that are lowered.
        drop: the axis that the function sees one index of, or None.
    """

    def __init__(
        self, parent: Lowering, cuts: Mapping[Expr, tuple[str, Value]], roots: tuple[Expr, ...], drop: str | None = None
    ):
        super().__init__(parent.flat)
        self.parent, self.drop, self.held = parent, drop, parent.held
        self.captured: dict[str, Any] = {}
        self.dims: dict[str, int] = {}
        self.arguments: list[str] = []
        for expr, (name, value) in cuts.items():
            node = self.placeholder("argument", expr, name)
            self.arguments.append(str(node.target))
            self.values[expr] = value._replace(node=node)
            self.measure(self.values[expr])
        self.dropped: frozenset[str] = getattr(parent, "dropped", frozenset()) | ({drop} if drop else set())
        dependent: set[Expr] = set(cuts)
        for x in walk(*roots, through=lambda e: () if e in cuts else everything(e)):
            if isinstance(x, n.Noise) or (isinstance(x, n.Range) and x.axis.name in self.dropped):
                continue  # an input, whatever it is shaped like; the one index that is seen, whatever has it
            if x in dependent or any(c in dependent for c in everything(x)):
                dependent.add(x)
        self.dependent = dependent

    def lower(self, expr: Expr) -> Value:
        if expr not in self.values and expr not in self.dependent:
            self.values[expr] = self.capture(self.parent.lower(expr), type(expr).__name__.lower())
            self.measure(self.values[expr])
        return super().lower(expr)

    def capture(self, value: Value, name: str) -> Value:
        """A value of the graph around as an argument of this one."""
        if value.number:
            return value
        node = self.handed(value.node)
        if self.drop is None or self.drop not in value.axes:
            return value._replace(node=node)
        self.dims[str(node.target)] = value.axes.index(self.drop)
        return value._replace(node=node, axes=tuple(a for a in value.axes if a != self.drop))

    def handed(self, outer: fx.Node) -> fx.Node:
        """A node of the graph around as an argument of this one."""
        node = self.placeholder("captured", outer, f"{outer.name}_")
        self.captured[str(node.target)] = outer
        return node

    def network(self, net: Network, role: str) -> Any:
        return self.handed(self.parent.network(net, role))

    def mask(self, axes: Any) -> Value | None:
        kept = [a for a in axes if a.name != self.drop]
        found = self.parent.mask(kept)
        return None if found is None else self.capture(found, "mask")

    def size(self, axis: str) -> Any:
        return super().size(axis) if axis in self.sizes else self.handed_size(axis)

    def handed_size(self, axis: str) -> Any:
        """The size of an axis, read in the graph around."""
        size = self.parent.size(axis)
        return self.handed(size) if isinstance(size, fx.Node) else size

    def install(self, outputs: Any, name: str) -> fx.Node:
        """Puts the function into the graph around, and returns the node that holds it."""
        unique, count = name, 1
        while unique in self.parent.modules:
            count += 1
            unique = f"{name}_{count}"
        self.parent.modules[unique] = self.finish(outputs)
        return self.parent.graph.get_attr(unique)

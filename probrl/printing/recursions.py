"""Recursions on a page: the letters of their states, and their equations with explicit indices in lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.expr.recursion import _mentions
from probrl.expr.traversal import children
from probrl.printing import boxes as b
from probrl.printing.layout import EQUALS
from probrl.printing.names import Name, Spelled, parse
from probrl.printing.scope import Row, Scope

_ANOTHER = "another of that name"


class Recursions(Scope):
    """Lays recursions out; :meth:`box` lays out everything else."""

    formals: dict[Expr, Name]

    def box(self, node: Expr) -> b.Box:
        """The box of a formula."""
        raise NotImplementedError

    def _axes_below(self, node: Expr, moved: bool = True) -> tuple[Spelled, ...]:
        kind = getattr(node, "type", None)
        return () if kind is None else self.indices(kind.axes, moved)

    def _lettered(self, key: Any, node: Expr, wish: Name, what: str) -> tuple[b.Letter, b.Letter]:
        """The letter of a value here, and as it stands left of its own line."""
        plain = self._axes_below(node, moved=False)
        name = self.letters.claim(key, wish, what, plain)
        return b.Letter(name, self._axes_below(node)), b.Letter(name, plain)

    def bound_letter(self, node: n.Symbol) -> b.Box:
        """The state of a recursion inside its own body: at the index before, or after."""
        if node in self.formals:
            return b.Letter(self.formals[node], self.indices(node.axes))
        if node not in self.bound:
            return b.Letter(self.letters.claim(("bound", node), parse(node.name), _ANOTHER), self.indices(node.axes))
        return self._state_letter(node)

    def _state_letter(self, node: Expr) -> b.Box:
        name, axis, step = self.bound[node]
        with self.shifted(axis.name, step):
            return b.Letter(name, tuple(self.index(a) for a in self._state_axes(node, axis)))

    def _state_axes(self, node: Expr, axis: Axis) -> list[Axis]:
        shown = [a for a in node.type.axes if not a.data or a.name in self.indexed]
        return shown if axis in shown else [*shown, axis]

    @staticmethod
    def _axis_of(node: n.Recursion) -> Axis:
        found = (a for x in (*node.steps, *node.outputs) for a in x.type.axes if a.name == node.axis)
        return next(found, Axis(node.axis))

    def _scope(self, node: Expr) -> Any:
        """The letters that a formula borrows from recursions around it: they tell two occurrences apart."""
        return tuple(v for s, v in self.bound.items() if isinstance(s, n.Symbol) and _mentions(node, s))

    def recursion(self, node: n.Recursion, index: int) -> b.Box:
        """A recursion's result: the letter of its state here, its equations with explicit indices in lines."""
        key = ("recursion", node, self._scope(node))
        output, axis = node.outputs[index], self._axis_of(node)
        outer = dict(self.bound)
        names = []
        for i, state in enumerate(node.states):
            plain = tuple(self.plain_index(a) for a in self._state_axes(state, axis))
            names.append(self.letters.claim((*key, i), parse(state.name), "", plain))
        inner = {s: (name, axis, 1 if node.reverse else -1) for s, name in zip(node.states, names, strict=True)}
        now = {x: (name, axis, 0) for x, name in zip(node.steps, names, strict=True) if children(x)}
        for i, state in enumerate(node.states):
            self.bound = outer | inner | {x: at for x, at in now.items() if x is not node.steps[i]}
            self.later((*key, "state", i), self._state_line(node, i, names[i], state))
            self.bound = outer
        if output in node.steps:
            at = node.steps.index(output)
            return b.Letter(names[at], tuple(self.index(a) for a in self._state_axes(node.states[at], axis)))
        here, left = self._lettered((*key, "output", index), output, parse("y"), "")
        self.bound = outer | inner | now
        self.later((*key, "output", index), lambda: Row(left, EQUALS, self.box(output), True))
        self.bound = outer
        return here

    def adopt(self, right: n.Recursion, left: n.Symbol, sign: Spelled) -> Row | None:
        """A recursion that is assigned to a column: the column's letter is the state's, and the row its equation."""
        if len(right.states) != 1 or right.outputs != right.steps:
            return None
        key, letter = ("recursion", right, ()), self.column(left)
        self.letters.give((*key, 0), letter.name)
        if self.letters.claim((*key, 0), letter.name) != letter.name:
            return None  # it has another letter already
        waiting = len(self.lines)
        self.recursion(right, 0)
        while len(self.lines) > waiting:
            self.lines.pop()
        outer, axis = dict(self.bound), self._axis_of(right)
        self.bound[right.states[0]] = (letter.name, axis, 1 if right.reverse else -1)
        row = self._state_line(right, 0, letter.name, right.states[0])()
        self.bound = outer
        return row._replace(sign=sign, where=False)

    def _state_line(self, node: n.Recursion, i: int, name: Name, state: n.Symbol) -> Callable[[], Row]:
        axis = self._axis_of(node)

        def line() -> Row:
            axes = self._state_axes(state, axis)
            left = b.Letter(name, tuple(self.plain_index(a) for a in axes))
            word = "end" if node.reverse else "start"
            edge = Spelled(rf"\mathrm{{{word}}}", word)
            outside = b.Letter(name, tuple(edge if a == axis else self.plain_index(a) for a in axes))
            step = self.box(node.steps[i])
            start: b.Box = b.Relation(outside, EQUALS, self.box(node.inits[i]))
            if axis.mask:
                invalid = b.Relation(self.mask(axis, axis.mask), EQUALS, b.Literal(0))
                start = b.Listed((start, invalid), Spelled(r" \text{ and where } ", " and where "))
            return Row(left, EQUALS, b.Listed((step, start), Spelled(r",\quad ", ",  ")), True)

        return line

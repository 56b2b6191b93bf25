"""Where formulas are laid out: letters here, and the lines that say what they are in a queue."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from probrl.expr import definition as d
from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.expr.recursion import _mentions
from probrl.expr.traversal import children
from probrl.printing import boxes as b
from probrl.printing.functions import by_coordinate
from probrl.printing.layout import EQUALS, lay
from probrl.printing.legend import words
from probrl.printing.names import Name, Spelled, parse, spell
from probrl.printing.notation import density, lay_notation
from probrl.printing.scope import Row, Scope

IS_DRAWN = Spelled(r" \sim ", " ~ ")
BECOMES = Spelled(r" \leftarrow ", " ← ")
_ANOTHER = "another of that name"
_LAWS = {
    "normal": ("varepsilon", Spelled(r"\mathcal{N}(0, 1)", "N(0, 1)")),
    "uniform": ("u", Spelled(r"\mathcal{U}[0, 1)", "U[0, 1)")),
    "gumbel": ("g", Spelled(r"\operatorname{Gumbel}(0, 1)", "Gumbel(0, 1)")),
    "rademacher": ("zeta", Spelled(r"\mathcal{U}\{-1, 1\}", "U{-1, 1}")),
    "subset": ("j", Spelled(r"\operatorname{Subset}", "Subset")),
}


class Desk(Scope):
    """Lays formulas out.

    Args:
        expand: True prints every definition by its body, a set of names those of them.
        indexed: the data axes that are printed as indices.
        repeated: sub-formulas that get a letter because the page would be very long without.
        settled: whether the ranks of the columns are known.
        defines: whether the formulas of functions are shown.
    """

    def __init__(
        self,
        expand: bool | Collection[str],
        indexed: Collection[str],
        repeated: Collection[Expr],
        settled: bool,
        defines: bool,
    ) -> None:
        super().__init__(indexed, settled)
        self.defines = defines
        self.formals: dict[Expr, Name] = {}
        self._source_of: dict[int, b.Letter] = {}
        self._expand, self._shared = expand, set(repeated)

    def box(self, node: Expr) -> b.Box:
        """The box of a formula at the current index, and coordinate when a sum over an event is open."""
        if self.has_letter(node):
            return self._repeated_letter(node)
        if node in self.bound and not isinstance(node, n.Symbol):  # what a state becomes, read by another state
            return self._state_letter(node)
        kind = getattr(node, "type", None)
        gone = [] if kind is None else [a for a in self._offsets if a not in kind.names]
        if gone and not isinstance(node, n.Symbol):
            with self.unshifted(*gone):
                return self.box(node)
        if self.current_coordinate is None or by_coordinate(node):
            return lay(node, self)
        if isinstance(node, n.Definition) and self.unfolds(node):
            return self.box(node.body)
        coordinate = self.current_coordinate
        with self.coordinate(None):
            made = lay(node, self)
        if kind is not None and kind.rank == 0:
            return made
        return b.Indexed(made, b.Word(coordinate), brackets=False)

    @staticmethod
    def asked_for(expand: bool | Collection[str], node: n.Definition) -> bool:
        """Whether a definition is to be printed by its body."""
        if isinstance(expand, bool):
            return expand and not isinstance(node.head, d.NamedHead)
        return node.head.name in expand

    def expands(self, node: n.Definition) -> bool:
        """Whether this page prints a definition by its body."""
        return self.asked_for(self._expand, node)

    def unfolds(self, node: n.Definition) -> bool:
        """Whether a definition's body stands in its place; draws and named values keep their letters."""
        return self.expands(node) and not isinstance(node.head.notation(*node.args), (d.Drawn, d.Letter))

    def outside(self, node: Expr) -> b.Box:
        """The box of an argument: whole, whatever coordinate is open around it."""
        with self.coordinate(None):
            return self.box(node)

    # --- what has a line of its own ----------------------------------------------------------------------------
    def _axes_below(self, node: Expr, moved: bool = True) -> tuple[Spelled, ...]:
        kind = getattr(node, "type", None)
        return () if kind is None else self.indices(kind.axes, moved)

    def _lettered(self, key: Any, node: Expr, wish: Name, what: str) -> tuple[b.Letter, b.Letter]:
        """The letter of a value here, and as it stands left of its own line."""
        plain = self._axes_below(node, moved=False)
        name = self.letters.claim(key, wish, what, plain)
        return b.Letter(name, self._axes_below(node)), b.Letter(name, plain)

    def named(self, node: n.Definition, wish: Name, body: Callable[[], b.Box]) -> b.Box:
        """A named value: its letter here, its meaning in a line."""
        if self.expands(node):
            return self.box(node.body)
        here, left = self._lettered(("named", node, self._scope(node)), node, wish, "")
        self.later(("named", node, self._scope(node)), lambda: Row(left, EQUALS, body(), True))
        return here

    def reserve(self, node: n.Definition) -> None:
        """Keeps the name of a named value for it, before functions name their parameters."""
        self._lettered(("named", node, ()), node, parse(node.head.name), "")

    def definition(self, node: n.Definition) -> b.Box:
        """A definition by its notation, or by its body if the page expands it."""
        notation = node.head.notation(*node.args)
        if self.unfolds(node):
            return self.box(node.body)
        return lay_notation(notation, node, self)

    def draw(self, node: n.Definition, notation: d.Drawn) -> b.Box:
        """A draw: a letter of its variable here, the law in a line; expanded, the line is what is computed."""
        wish = parse(notation.variable)
        after = any(isinstance(g, n.Symbol) and g.name.endswith("_next") for g in notation.density.given)
        wish = (
            Name(wish.base, wish.accent, wish.primes + 1, wish.subs, wish.sups)
            if after or wish.accent
            else Name(wish.base, "tilde", wish.primes, wish.subs, wish.sups)
        )
        key = ("draw", node, self._scope(node))
        here, left = self._lettered(key, node, wish, "")
        first = self._source_of.setdefault(notation.uid, here)
        if self.expands(node):
            self.later(key, lambda: Row(left, EQUALS, self.box(node.body), True))
        else:
            self.later(key, lambda: Row(left, IS_DRAWN, self._law(node, notation, first), True))
        return here

    def _law(self, node: n.Definition, notation: d.Drawn, first: b.Letter) -> b.Box:
        """Whose draw it is; how often it is drawn where its conditions do not say, and how its gradient passes."""
        law, said = density(notation.density, node.head, self), []
        own = self.letters.claim(("draw", node, self._scope(node)), first.name)
        known = {a.name for g in notation.density.given for a in g.type.axes}
        rows = ["row" if a.name == "batch" else a.name for a in node.type.data if a.name not in known]
        if rows:
            said.append(f"one per {' and '.join(rows)}")
        if gradient := getattr(node.head, "gradient", None):
            said.append(f"{gradient} gradient")
        parts: list[b.Box] = [law, *(b.Word(words(x)) for x in said)]
        if first.name != own:  # two draws from one noise go together
            parts.append(b.Prefix(b.Word(words("from the noise of ")), first))
        return b.Listed(tuple(parts)) if len(parts) > 1 else law

    def range(self, node: n.Range) -> b.Box:
        """The index that runs along an axis; where a formula gives its length, a line says which."""
        if node.of is not None:
            runs, of = Spelled(r" \text{ runs along } ", " runs along "), node.of
            self.later(("range", node), lambda: Row(b.Word(self.plain_index(node.axis)), runs, self.box(of), True))
        return b.Word(self.index(node.axis))

    def noise(self, node: n.Noise) -> b.Box:
        """A source of randomness: a letter here, the law in a line."""
        wish, law = _LAWS.get(node.law, ("xi", Spelled(rf"\text{{{node.law}}}", node.law)))
        here, left = self._lettered(("noise", node), node, parse(wish), "")
        self._source_of.setdefault(node.uid, here)

        def line() -> Row:
            shown: b.Box = b.Word(law)
            if node.options:
                shown = b.Function(
                    shown,
                    (
                        tuple(
                            b.Literal(o) if isinstance(o, (int, float)) else b.Word(spell(str(o))) for o in node.options
                        ),
                    ),
                )
            if node.like is not None:
                shown = b.Listed((shown, self.box(node.like)), Spelled(r"\ \text{ like } ", " like "))
            return Row(left, IS_DRAWN, shown, True)

        self.later(("noise", node), line)
        return here

    # --- recursions --------------------------------------------------------------------------------------------
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

    # --- what would be printed too often -----------------------------------------------------------------------
    def has_letter(self, node: Expr) -> bool:
        """Whether a formula is so long and so often repeated that it gets a letter of its own."""
        return node in self._shared

    def _repeated_letter(self, node: Expr) -> b.Box:
        key = ("repeated", node, self._scope(node))
        here, left = self._lettered(key, node, parse("z"), "")

        def line() -> Row:
            self._shared.discard(node)
            try:
                return Row(left, EQUALS, self.box(node), True)
            finally:
                self._shared.add(node)

        self.later(key, line)
        return here

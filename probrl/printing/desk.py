"""Where formulas are laid out: letters here, and the lines that say what they are in a queue."""

from __future__ import annotations

from collections.abc import Callable, Collection
from operator import add, mul
from typing import Any

from probrl.expr import definition as d
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.printing import boxes as b
from probrl.printing.functions import by_coordinate, mixes_rows
from probrl.printing.layout import EQUALS, lay, read_at
from probrl.printing.legend import words
from probrl.printing.names import Name, Spelled, parse, spell
from probrl.printing.notation import density, lay_notation
from probrl.printing.recursions import Recursions
from probrl.printing.scope import Row

IS_DRAWN = Spelled(r" \sim ", " ~ ")
BECOMES = Spelled(r" \leftarrow ", " ← ")
_ARITHMETIC: dict[type[Expr], Callable[[float, float], Any]] = {n.Add: add, n.Mul: mul, n.Pow: pow}
_LAWS = {
    "normal": ("varepsilon", Spelled(r"\mathcal{N}(0, 1)", "N(0, 1)")),
    "uniform": ("u", Spelled(r"\mathcal{U}[0, 1)", "U[0, 1)")),
    "gumbel": ("g", Spelled(r"\operatorname{Gumbel}(0, 1)", "Gumbel(0, 1)")),
    "rademacher": ("zeta", Spelled(r"\mathcal{U}\{-1, 1\}", "U{-1, 1}")),
    "subset": ("j", Spelled(r"\operatorname{Subset}", "Subset")),
}


class Desk(Recursions):
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
            return self._by_coordinate(node, self._repeated_letter(node))
        if node in self.bound and not isinstance(node, n.Symbol):  # what a state becomes, read by another state
            return self._by_coordinate(node, self._state_letter(node))
        kind = getattr(node, "type", None)
        if self.met and kind is not None and any(self.met.get(a.name, a) != a for a in kind.axes if not a.open):
            with self.meeting(kind.axes):
                return self.box(node)
        gone = [] if kind is None else [a for a in self._offsets if a not in kind.names]
        if gone and not isinstance(node, n.Symbol):
            with self.unshifted(*gone):
                return self.box(node)
        if self._offsets and isinstance(node, n.Definition) and (whole := self._read_ahead(node)) is not None:
            return whole
        if self.current_coordinate is None or by_coordinate(node):
            return lay(node, self)
        if isinstance(node, n.Definition) and self.unfolds(node):
            return self.box(node.body)
        with self.coordinate(None):
            made = lay(node, self)
        return self._by_coordinate(node, made)

    def _by_coordinate(self, node: Expr, made: b.Box) -> b.Box:
        """The coordinate of a value that has been laid out whole, where coordinates are open."""
        kind = getattr(node, "type", None)
        if self.current_coordinate is None or (kind is not None and kind.rank == 0):
            return made
        return b.Indexed(made, b.Word(self.current_coordinate), brackets=False)

    @staticmethod
    def asked_for(expand: bool | Collection[str], node: n.Definition) -> bool:
        """Whether a definition is to be printed by its body."""
        if isinstance(expand, bool):
            return expand and not node.head.lettered
        return node.head.name in expand

    def expands(self, node: n.Definition) -> bool:
        """Whether this page prints a definition by its body."""
        return self.asked_for(self._expand, node)

    def unfolds(self, node: n.Definition) -> bool:
        """Whether a definition's body stands in its place; draws and named values keep their letters."""
        return self.expands(node) and not isinstance(node.head.notation(*node.args), (d.Drawn, d.Letter))

    def worth(self, node: Expr) -> float | None:
        """What a formula is that stands for numbers alone, where the page says what definitions stand for: a path's alpha
        may be 1 at all times, and 1 x is printed as x."""
        if not self._expand or self.has_letter(node):
            return None
        if isinstance(node, n.Number):
            return node.value if node.letter is None else None
        if isinstance(node, n.Definition):
            return self.worth(node.body) if self.unfolds(node) else None
        if isinstance(node, (n.Add, n.Mul, n.Pow)):
            x = self.worth(node.x)
            y = None if x is None else self.worth(node.y)
            return None if x is None or y is None else _computed(_ARITHMETIC[type(node)], x, y)
        return None

    def vanishes(self, node: Expr) -> bool:
        """Whether a term is 0, or 0 times what is given or drawn, and so is finite: 0 times infinity would be no number."""
        if isinstance(node, n.Mul) and not self.has_letter(node) and isinstance(node.y, (n.Symbol, n.Noise)):
            return self.worth(node.x) == 0
        return self.worth(node) == 0

    def _read_ahead(self, node: n.Definition) -> b.Box | None:
        """A definition with its arguments is read ahead as a whole where it mixes rows; None where it does not."""
        if self.unfolds(node) or isinstance(node.head.notation(*node.args), (d.Drawn, d.Letter, d.Itself)):
            return None
        for axis in (a for a in node.type.axes if self._offsets.get(a.name) and mixes_rows(node, a.name)):
            offset = self._offsets[axis.name]
            return read_at("next" if offset == 1 else "shift", self.plain_index(axis), offset, axis, (node,), self)
        return None

    def outside(self, node: Expr) -> b.Box:
        """The box of an argument: whole, whatever coordinate is open around it."""
        with self.coordinate(None):
            return self.box(node)

    # --- what has a line of its own ----------------------------------------------------------------------------
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


def _computed(operation: Callable[[float, float], Any], x: float, y: float) -> float | None:
    """A number made of two, or None where there is no real one."""
    try:
        found = operation(x, y)
    except (ArithmeticError, ValueError):
        return None
    return None if isinstance(found, complex) else found

"""What is in force while a formula is laid out: letters, indices and their offsets, coordinates, the data."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.expr.state import Cell
from probrl.printing import boxes as b
from probrl.printing.layout import EQUALS, FUNCTIONS, function_name
from probrl.printing.legend import Legend
from probrl.printing.letters import Letters
from probrl.printing.names import Name, Spelled, in_role, parse, spell

ALL_DATA = Spelled(r"\mathcal{D}", "𝒟")


class Row(NamedTuple):
    """One line: a left side or None, the sign between, a right side; ``where`` marks lines that explain a letter."""

    left: b.Box | None
    sign: Spelled
    right: b.Box
    where: bool = False


class Scope:
    """Letters that are shared, and what they mean at the place that is being laid out.

    Args:
        indexed: the data axes that something looks along: they are printed as indices.
        settled: whether the ranks of the columns are known.
    """

    def __init__(self, indexed: Collection[str], settled: bool = True) -> None:
        self.settled = settled
        self.indexed = frozenset(indexed)
        self.letters = Letters()
        self.legend = Legend(self)
        self.bound: dict[Expr, tuple[Name, Axis, int]] = {}
        self.current_coordinate: Spelled | None = None
        self.data = ALL_DATA
        self.lines: deque[Callable[[], Row]] = deque()
        self._keys: set[Any] = set()
        self._offsets: dict[str, int] = {}
        self.whole: Collection[Expr] = ()  # what derivatives are taken by
        self.met: dict[str, Axis] = {}  # what an index of which only the name is known runs along, here
        self._ranks: dict[Any, Any] = {}
        for word, spelled in FUNCTIONS.items():
            self.letters.claim(("builtin", word), Name(spelled))
        for word in ("where", "concat"):
            self.letters.claim(("builtin", word), function_name(word))
        self.letters.claim(("builtin", "data"), Name(ALL_DATA))

    @contextmanager
    def coordinate(self, letter: Spelled | None) -> Iterator[None]:
        """Opens (or closes, with None) the coordinates of an event."""
        before, self.current_coordinate = self.current_coordinate, letter
        try:
            yield
        finally:
            self.current_coordinate = before

    @contextmanager
    def shifted(self, axis: str, offset: int) -> Iterator[None]:
        """Reads one or more indices further along an axis."""
        before = dict(self._offsets)
        self._offsets[axis] = self._offsets.get(axis, 0) + offset
        try:
            yield
        finally:
            self._offsets = before

    @contextmanager
    def unshifted(self, *axes: str) -> Iterator[None]:
        """Reads at the index itself along some axes, whatever is read around."""
        before = dict(self._offsets)
        self._offsets = {a: offset for a, offset in before.items() if a not in axes}
        try:
            yield
        finally:
            self._offsets = before

    @contextmanager
    def meeting(self, axes: Collection[Axis]) -> Iterator[None]:
        """An index of which only the name is known runs along the axis of that name that it meets."""
        before, self.met = self.met, {**self.met, **{a.name: a for a in axes if not a.open}}
        try:
            yield
        finally:
            self.met = before

    def asked(self, key: Any) -> bool:
        """Whether a line is in the queue, or on the page already."""
        return key in self._keys

    def later(self, key: Any, line: Callable[[], Row]) -> None:
        """Puts a line in the queue, once; it is laid out in today's scope, at index 0."""
        if key in self._keys:
            return
        self._keys.add(key)
        scope, data, met = dict(self.bound), self.data, self.met

        def laid() -> Row:
            saved = self.bound, self._offsets, self.current_coordinate, self.data, self.met
            self.bound, self._offsets, self.current_coordinate, self.data, self.met = scope, {}, None, data, met
            try:
                return line()
            finally:
                self.bound, self._offsets, self.current_coordinate, self.data, self.met = saved

        self.lines.append(laid)

    # --- letters -----------------------------------------------------------------------------------------------
    def column(self, node: n.Symbol) -> b.Letter:
        """The letter of a column, with the indices that the page shows."""
        below = self.indices(node.axes)
        plain = self.indices(node.axes, moved=False)
        what = f"the column {node.name}"
        name = self.letters.claim(("column", node.name, node.axes), parse(node.name), what, plain)
        self.legend.column(name, node)
        return b.Letter(name, below)

    def indices(self, axes: tuple[Axis, ...], moved: bool = True) -> tuple[Spelled, ...]:
        shown = [a for a in axes if not a.data or a.name in self.indexed]
        return tuple(self.index(a) if moved else self.plain_index(a) for a in shown)

    def plain_index(self, axis: Axis) -> Spelled:
        """The letter that runs along an axis."""
        axis = self.met.get(axis.name, axis) if axis.open else axis
        wish = "t" if axis.data and axis.name == "time" else axis.name
        name = self.letters.claim(("axis", axis), parse(wish), f"the index of {axis.name}")
        self.legend.axis(name, axis)
        return Spelled(name.latex, name.text)

    def index(self, axis: Axis) -> Spelled:
        """The letter that runs along an axis, at the current offset."""
        letter, offset = self.plain_index(axis), self._offsets.get(axis.name, 0)
        return Spelled(f"{letter.latex}{offset:+d}", f"{letter.text}{offset:+d}") if offset else letter

    def event_letter(self) -> Spelled:
        """The letter that runs over the coordinates of an event."""
        name = self.letters.claim(("coordinate",), parse("d"), "a coordinate")
        self.legend.note(name, "runs over the coordinates")
        return Spelled(name.latex, name.text)

    def constant(self, node: n.Number) -> b.Box:
        """The letter of a constant."""
        name = self.letters.claim(("constant", node.letter, repr(node.value)), parse(str(node.letter)))
        self.legend.constant(name, node.value)
        return b.Letter(name)

    def cell(self, cell: Cell) -> b.Box:
        """The letter of a parameter, a running value or the progress."""
        name = self.letters.claim(("cell", cell), parse(cell.name), "another of that name")
        self.legend.cell(name, cell)
        return b.Letter(name)

    def model(self, owner: Any, name: str, role: str = "live") -> b.Letter:
        """The letter of a distribution or a network in a role."""
        return b.Letter(
            self.letters.claim(("model", owner, name, role), in_role(parse(name), role), "another of that name"),
            self.leads(owner),
        )

    def network(self, node: n.Call) -> b.Box:
        """The letter of a network in a role, with the axes that it adds."""
        owner = node.net.owner if node.net.owner is not None else node.net
        wish = in_role(parse(node.net.name), node.role)
        key: tuple[Any, ...] = ("model", owner, node.net.name, node.role)
        if node.net.pure:
            wish = in_role(function_name(node.net.name), node.role)
        if self._ranks.setdefault(key, node.rank) != node.rank:
            key = (*key, node.rank)
        below = tuple(self.index(a) for a in node.lead)
        name = self.letters.claim(key, wish, "another of that name", below)
        self.legend.network(name, node)
        return b.Letter(name, below)

    def leads(self, owner: Any) -> tuple[Spelled, ...]:
        """The indices of an ensemble's members."""
        return tuple(self.index(a) for a in getattr(owner, "lead", ()) or ())

    def word_below(self, node: n.Definition, word: str) -> Spelled:
        """An option of a definition as it stands below its name: the letter of an axis, or a word."""
        for arg in node.args:
            for axis in arg.type.axes:
                if axis.name == word:
                    return self.index(axis)
        return spell(word) if word else Spelled(r"\varnothing", "∅")

    # --- data --------------------------------------------------------------------------------------------------
    def data_of(self, x: Expr) -> Spelled:
        """The letter of the rows that a reduction over the data runs over."""
        source = next((a.source for a in x.type.data if a.source), None)
        name = Name(self.data) if source is None else Name(self.data).below(spell(source))
        self.legend.data(name, self.data, x)
        return Spelled(name.latex, name.text)

    def mask_of(self, axes: Sequence[Axis]) -> b.Box | None:
        """The product of the masks of axes that are reduced, or None when every row counts."""
        masks = [(a, a.mask) for a in axes if a.mask]
        factors: list[b.Box] = [self.mask(axis, mask) for axis, mask in masks if mask]
        return None if not factors else factors[0] if len(factors) == 1 else b.Product(tuple(factors))

    def mask(self, axis: Axis, column: str) -> b.Letter:
        """The letter of a mask, explained by its column."""
        below = self.indices((axis,))
        name = self.letters.claim(
            ("mask", column, axis), parse("m"), f"the mask {column}", self.indices((axis,), moved=False)
        )
        letter = b.Letter(name, below)
        plain = b.Letter(name, self.indices((axis,), moved=False))
        self.later(("mask", column, axis), lambda: Row(plain, EQUALS, b.Letter(parse(column), plain.indices), True))
        return letter

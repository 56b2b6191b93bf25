"""The legend of a page: values of constants, what is learned, ranks, axes, and letters that had to give way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from probrl.expr import nodes as n
from probrl.expr.axes import BATCH, Axis
from probrl.expr.base import Expr
from probrl.expr.state import Cell
from probrl.printing import boxes as b
from probrl.printing.names import Name, Spelled, plain

if TYPE_CHECKING:
    from probrl.printing.scope import Scope

_EQUALS = Spelled(" = ", " = ")
_SAYS = Spelled(r":\ ", ": ")
_PER_ROW = 5


def words(text: str) -> Spelled:
    """Plain words in both scripts."""
    return Spelled(rf"\text{{{plain(text)}}}", text)


class Legend:
    """What the letters of a page stand for, gathered while they are used."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._constants: dict[Name, int | float] = {}
        self._cells: dict[Name, Cell] = {}
        self._shapes: dict[Name, str] = {}
        self._families: dict[Name, str] = {}
        self._notes: dict[Name, str] = {}
        self._axes: dict[Name, Axis] = {}
        self._sizes: dict[Axis, set[int]] = {}

    def constant(self, name: Name, value: int | float) -> None:
        """A constant's value."""
        self._constants[name] = value

    def cell(self, name: Name, cell: Cell) -> None:
        """A parameter or a running value."""
        self._cells[name] = cell

    def note(self, name: Name, text: str) -> None:
        """Anything else, in words."""
        self._notes[name] = text

    def axis(self, name: Name, axis: Axis) -> None:
        """An index that is printed."""
        self._axes[name] = axis

    def sizes_of(self, nodes: Iterable[Expr]) -> None:
        """The known sizes of axes that draws add."""
        for node in nodes:
            if isinstance(node, n.Noise):
                for axis, size in node.extra:
                    self._sizes.setdefault(axis, set()).add(size)

    def column(self, name: Name, node: n.Symbol) -> None:
        """A column that is more than one scalar per row; axes that are printed as indices are explained there."""
        extra = [_describe(a) for a in node.axes if a != BATCH and a.name not in self._scope.indexed]
        kind = {None: "of any shape" if self._scope.settled else "", 0: "", 1: "vector"}.get(
            node.rank, f"of rank {node.rank}"
        )
        if not any(a.name == "batch" or a.source == a.name for a in node.axes):
            extra.append("one for all rows")
        if kind or extra:
            self._shapes[name] = " ".join(x for x in (kind, "over " + " and ".join(extra) if extra else "") if x)

    def network(self, name: Name, node: n.Call) -> None:
        """A network whose output is more than one scalar."""
        if node.rank:
            ranks = node.rank if isinstance(node.rank, tuple) else (node.rank,)
            kinds = ", ".join({0: "scalar", 1: "vector"}.get(r, f"rank {r}") for r in ranks)
            self._shapes[name] = f"outputs {kinds}" if isinstance(node.rank, tuple) else f"{kinds} valued"

    def family(self, name: Name, owner: Any) -> None:
        """What a distribution is: two families print their densities alike."""
        said = getattr(owner, "family" if isinstance(owner, type) else "said", None)
        if said:
            self._families[name] = said

    def data(self, name: Name, letter: Spelled, x: Expr) -> None:
        """The rows that a mean runs over, when they need saying."""
        if letter.text != "𝒟":
            self._notes[name] = "the minibatch" if letter.text == "ℬ" else "the data of this step"

    def rows(self) -> list[tuple[b.Box, Spelled, b.Box]]:
        """The lines of the legend."""
        return [
            *self._constant_rows(),
            *self._cell_rows(),
            *_grouped(self._families),
            *_grouped(self._shapes),
            *self._axis_rows(),
            *self._note_rows(),
        ]

    def _constant_rows(self) -> list[tuple[b.Box, Spelled, b.Box]]:
        pairs = list(self._constants.items())
        made: list[tuple[b.Box, Spelled, b.Box]] = []
        for i in range(0, len(pairs), _PER_ROW):
            (first, value), *rest = pairs[i : i + _PER_ROW]
            more = [b.Relation(b.Letter(k), _EQUALS, b.Literal(v)) for k, v in rest]
            right = b.Listed((b.Literal(value), *more), Spelled(r",\quad ", ",  ")) if more else b.Literal(value)
            made.append((b.Letter(first), _EQUALS, right))
        return made

    def _cell_rows(self) -> list[tuple[b.Box, Spelled, b.Box]]:
        made: list[tuple[b.Box, Spelled, b.Box]] = []
        for name, cell in self._cells.items():
            made.append((b.Letter(name), _SAYS, _about(cell)))
        return made

    def _axis_rows(self) -> list[tuple[b.Box, Spelled, b.Box]]:
        made: list[tuple[b.Box, Spelled, b.Box]] = []
        for name, axis in self._axes.items():
            said = _says(axis, renamed=name in self._scope.letters.renamed, own=name.text == axis.name)
            size = max(self._sizes.get(axis, {0}))
            if size and len(self._sizes[axis]) == 1:
                last = ", ".join(map(str, range(size))) if size < 4 else None
                shown = Spelled(last, last) if last else Spelled(rf"0, \ldots, {size - 1}", f"0, ..., {size - 1}")
                made.append((b.Letter(name), _EQUALS, b.Word(shown)))
            elif said:
                made.append((b.Letter(name), _SAYS, b.Word(words(said))))
        return made

    def _note_rows(self) -> list[tuple[b.Box, Spelled, b.Box]]:
        notes = {**self._scope.letters.renamed, **self._notes}
        return [(b.Letter(name), _SAYS, b.Word(words(text))) for name, text in notes.items()]


def _grouped(said: dict[Name, str]) -> list[tuple[b.Box, Spelled, b.Box]]:
    """One line for all letters of which the same is said."""
    groups: dict[str, list[b.Box]] = {}
    for name, text in said.items():
        groups.setdefault(text, []).append(b.Letter(name))
    return [(b.Listed(tuple(letters)), _SAYS, b.Word(words(text))) for text, letters in groups.items()]


def _says(axis: Axis, renamed: bool, own: bool) -> str:
    """What an index is, or nothing where its letter says it."""
    if axis.data:
        return f"indexes the data along {_describe(axis)}"
    if axis.mask or axis.source:
        return (
            f"indexes {axis.name}"
            + (f" of {axis.source}" if axis.source else "")
            + (f" (mask {axis.mask})" if axis.mask else "")
        )
    return "" if own or renamed else f"indexes {axis.name}"


def _describe(axis: Axis) -> str:
    said = axis.name if axis.data else f"the index {axis.name}"
    if axis.name == axis.source:
        said = f"the rows of {axis.name}"
    elif axis.source:
        said += f" of {axis.source}"
    return said + (f" (mask {axis.mask})" if axis.mask else "")


def _about(cell: Cell) -> b.Box:
    kinds: dict[str, str] = {
        "parameter": "parameter",
        "state": "running value",
        "progress": "fraction of training done",
        "iteration": "number of runs of the program",
    }
    if cell.kind not in ("parameter", "state"):
        return b.Word(words(kinds.get(cell.kind, cell.kind)))
    parts: list[Any] = [
        b.Word(words(kinds[cell.kind] + (", positive" if cell.positive else "") + ", from ")),
        b.Literal(cell.initial),
    ]
    if cell.bounds is not None:
        parts += [
            b.Word(words(" within ")),
            b.Word(Spelled("[", "[")),
            b.Literal(cell.bounds[0]),
            b.Word(Spelled(r",\, ", ", ")),
            b.Literal(cell.bounds[1]),
            b.Word(Spelled("]", "]")),
        ]
    return b.Listed(tuple(parts), Spelled(r"", ""))

"""A page: many formulas printed together, with shared letters, the lines that say what a letter is, and a legend.

Rows are asked for first and laid out at the end, so that the letters of the data go to the data, an axis that is
looked along anywhere is an index everywhere, and the lines follow in the order in which their letters are met.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from probrl.expr import definition as d
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.ranks import settle
from probrl.expr.traversal import children, everything, walk
from probrl.printing import boxes as b
from probrl.printing.desk import Desk
from probrl.printing.functions import is_defined
from probrl.printing.layout import EQUALS, lay
from probrl.printing.legend import words
from probrl.printing.names import Spelled
from probrl.printing.scope import ALL_DATA, Row

BECOMES = Spelled(r" \leftarrow ", " ← ")
NOTHING = Spelled(r"\quad ", "  ")
LONG, LONG_EXPANDED = 2000, 150  # nodes, counted as a tree: beyond, what occurs twice gets a letter
_DATA = {"D": ALL_DATA, "B": Spelled(r"\mathcal{B}", "ℬ")}


class _Asked(NamedTuple):
    left: Any
    sign: Spelled
    right: Any
    data: Spelled
    lines: bool


class Page:
    """Formulas that share letters.

    Args:
        expand: True prints every definition by its body, a set of names those of them; draws and named values keep
            their letters.
        legend: whether constants, parameters, ranks and axes are listed at the end.
        strict: whether ranks are settled first, so that a formula without meaning is refused.
        define: whether the functions that appear have their formulas in lines; a few that all know never have.
    """

    def __init__(
        self, expand: bool | Collection[str] = False, legend: bool = True, strict: bool = True, define: bool = True
    ) -> None:
        self._expand, self._strict, self._with_legend, self._define = expand, strict, legend, define
        self._asked: list[_Asked] = []
        self._rows: list[Row] | None = None

    def row(self, right: Any, left: Any = None, sign: Spelled = EQUALS, data: str = "D", lines: bool = True) -> None:
        """Asks for a line.

        Args:
            right: an expression, a box, a spelling, words, or a function of the :class:`Desk` that gives a box.
            left: what stands left of the sign, in any of these forms, or None.
            sign: the sign between; ``BECOMES`` for an assignment, ``NOTHING`` for none.
            data: the letter of the rows that means and sums run over: "D" for all data, "B" for a minibatch.
            lines: whether the lines that explain its letters follow at once (else they wait for a later row).
        """
        self._rows = None
        self._asked.append(_Asked(left, sign, right, _DATA[data], lines))

    def rows(self) -> list[Row]:
        """All lines laid out: each that was asked for, then those that explain its letters, then the legend."""
        if self._rows is None:
            self._rows = self._laid_out()
        return self._rows

    def _laid_out(self) -> list[Row]:
        roots = [x for a in self._asked for x in (a.left, a.right) if isinstance(x, Expr)]
        settled, known = self._settled(roots)
        desk = self._desk(list(settled.values()), known)
        columns = self._columns(settled)
        done: list[Row] = []
        for asked in self._asked:
            desk.data = asked.data
            left, right = (settled.get(x, x) if isinstance(x, Expr) else x for x in (asked.left, asked.right))
            made = None
            if isinstance(left, n.Symbol) and isinstance(right, n.Recursion) and right in columns:
                made = desk.adopt(right, left, asked.sign)
            done.append(made or Row(_boxed(left, desk), asked.sign, _boxed(right, desk) or b.Word(Spelled("", ""))))
            while desk.lines and asked.lines:
                done.append(desk.lines.popleft()())
        while desk.lines:
            done.append(desk.lines.popleft()())
        if self._with_legend:
            done.extend(Row(left, sign, right, True) for left, sign, right in desk.legend.rows())
        return done

    def _settled(self, roots: list[Expr]) -> tuple[dict[Expr, Expr], bool]:
        """Every formula with its ranks settled, and whether they are: a message may print what has no meaning."""
        try:
            return dict(zip(roots, settle(*roots) if roots else (), strict=True)), True
        except Exception:
            if self._strict:
                raise
            return {x: x for x in roots}, False

    def _columns(self, settled: dict[Expr, Expr]) -> set[Expr]:
        """The recursions that are what a column becomes: nothing reads them apart from that assignment.

        A reading in a row right beside the assignment sees the same value; one elsewhere runs the recursion again.
        """
        read: dict[Expr, set[int]] = {}
        given: dict[Expr, set[int]] = {}
        columns: dict[Expr, set[Any]] = {}
        beside = 0
        for asked in self._asked:
            beside += asked.sign is not BECOMES
            right = settled.get(asked.right) if isinstance(asked.right, Expr) else None
            for x in walk(right, through=self._shown) if right is not None else ():
                if isinstance(x, n.Recursion):
                    read.setdefault(x, set()).add(beside if asked.sign is BECOMES else -1)
            if asked.sign is BECOMES and isinstance(right, n.Recursion):
                given.setdefault(right, set()).add(beside)
                columns.setdefault(right, set()).add(asked.left)
        return {x for x in given if read[x] == given[x] and len(columns[x]) == 1}

    def _desk(self, roots: list[Expr], settled: bool) -> Desk:
        """A desk on which the data, the constants and the parameters have their letters already."""
        nodes = list(walk(*roots, through=self._printed))
        shown = list(walk(*roots, through=self._shown))
        indexed = {x.axis for x in shown if isinstance(x, (n.Recursion, n.Shift))}
        indexed |= {x.axis.name for x in shown if isinstance(x, n.Range)}
        repeated = _repeated(roots, nodes, self._printed, LONG_EXPANDED if self._expand else LONG)
        shared = {x for x in repeated if not self._is_short(x) and not self._printed_body(x) & repeated}
        desk = Desk(self._expand, indexed, shared, settled, self._define)
        open_ones = {x.axis.name for x in shown if isinstance(x, n.Range) and x.axis.open}
        typed = [x.type for x in shown if hasattr(x, "type")] if open_ones else []  # a message may show a node without
        desk.met = {a.name: a for kind in typed for a in kind.axes if a.name in open_ones and not a.open}
        inside = list(walk(*roots, through=everything))
        desk.whole = {w for x in inside if isinstance(x, n.Derivative) for w in x.wrt}
        desk.legend.sizes_of(inside)
        first = [x for x in shown if isinstance(x, n.Symbol) and x.depth is None]
        then = [x for x in shown if isinstance(x, n.State) or (isinstance(x, n.Number) and x.letter is not None)]
        for leaf in (*first, *then):
            lay(leaf, desk)
        for x in nodes:
            if isinstance(x, n.Definition) and isinstance(x.head, d.NamedHead):
                desk.reserve(x)
        return desk

    def _printed(self, node: Expr) -> tuple[Expr, ...]:
        """The sub-formulas that appear on the page."""
        if isinstance(node, n.Definition) and (
            Desk.asked_for(self._expand, node) or isinstance(node.head, d.NamedHead)
        ):
            return (node.body,)
        return children(node)

    def _printed_body(self, node: Expr) -> set[Expr]:
        """What stands in the place of a definition, which then needs no second letter."""
        return {node.body} if isinstance(node, n.Definition) and Desk.asked_for(self._expand, node) else set()

    def _is_short(self, node: Expr) -> bool:
        """Whether a formula prints as a letter or a name of its own anyway."""
        if isinstance(node, n.Definition):
            notation = node.head.notation(*node.args)
            if isinstance(notation, d.Itself):
                return self._is_short(notation.x)
            return not Desk.asked_for(self._expand, node) or isinstance(notation, (d.Drawn, d.Letter))
        return isinstance(node, (n.Recursion, n.Call))

    def _shown(self, node: Expr) -> tuple[Expr, ...]:
        """The sub-formulas that appear on the page, the formulas of functions included."""
        inside = (node.body,) if self._define and isinstance(node, n.Definition) and is_defined(node) else ()
        return (*self._printed(node), *inside)


def _boxed(x: Any, desk: Desk) -> b.Box | None:
    if isinstance(x, Expr):
        return desk.box(x)
    if isinstance(x, str):
        return b.Word(words(x))
    if isinstance(x, Spelled):
        return b.Word(x)
    return x(desk) if callable(x) else x


def _repeated(
    roots: list[Expr], nodes: list[Expr], through: Callable[[Expr], tuple[Expr, ...]], long: int
) -> set[Expr]:
    """The sub-formulas that get a letter because the page would be very long without."""
    size: dict[Expr, int] = {}
    parents: dict[Expr, int] = {}
    for x in nodes:
        parts = through(x)
        size[x] = 1 + sum(size[p] for p in parts)
        for p in parts:
            parents[p] = parents.get(p, 0) + 1
    if sum(size[r] for r in roots) < long:
        return set()
    return {x for x in nodes if parents.get(x, 0) > 1 and size[x] > 8}

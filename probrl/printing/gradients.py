"""The table of gradients: which term of a loss moves which parameters, and what is held still."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.ranks import settle
from probrl.expr.traversal import children
from probrl.printing.names import in_role, parse
from probrl.printing.terms import terms_of
from probrl.printing.text import line

MOVES, STOPPED, ROLE, OUTSIDE = "moves", "stopped", "held", "outside wrt"


@dataclass(frozen=True)
class Gradients:
    """Terms by parameter sets.

    Attributes:
        columns: the parameter sets, as printed: networks in their roles, and scalar parameters.
        rows: (term, entries): "moves"; "stopped" (reached only behind a stop-gradient, or where nothing is
            differentiable); "held" (a role that no gradient moves); "outside wrt"; or "" where the term does not
            depend on it.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]

    def entry(self, term: str, column: str) -> str:
        """What a term does to a parameter set."""
        return dict(self.rows)[term][self.columns.index(column)]

    def moved(self, term: str) -> tuple[str, ...]:
        """The parameter sets that a term moves."""
        return tuple(c for c, e in zip(self.columns, dict(self.rows)[term], strict=True) if e == MOVES)

    def __str__(self) -> str:
        from probrl.printing.text import _width

        table = [("term", *self.columns), *((t, *(e or "-" for e in es)) for t, es in self.rows)]
        widths = [max(_width(row[i]) for row in table) for i in range(len(table[0]))]
        lines = [
            "  ".join(c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        return "\n".join([lines[0], "  ".join("─" * w for w in widths), *lines[1:]])

    __repr__ = __str__

    def __rich__(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table()
        for column in ("term", *self.columns):
            table.add_column(Text(column))
        for term, entries in self.rows:
            table.add_row(Text(term), *(Text(e or "-") for e in entries))
        return table


def gradients(expr: Expr, wrt: Any = None) -> Gradients:
    """Which term of a loss moves which parameters, and what is held still.

    Args:
        expr: the loss.
        wrt: what an update would move (distributions, modules, parameters, a list or dict of them); None is everything.

    Example:
        >>> import probrl as pr
        >>> alpha = pr.parameter("alpha", 1.0)
        >>> x = pr.symbols("x")
        >>> pr.mean(alpha * x + pr.stop_gradient(alpha)).gradients()
        term   α
        ─────  ───────
        α x    moves
        sg[α]  stopped
    """
    (loss,) = settle(expr)
    reached = [(label, _reach(term)) for label, term, _ in terms_of(loss, write_line=line)]
    sets: dict[Any, str] = {}
    for _, found in reached:
        for key in found:
            sets.setdefault(key, _title(key))
    allowed = None if wrt is None else _identities(wrt)
    rows = tuple((label, tuple(_entry(found, key, allowed) for key in sets)) for label, found in reached)
    return Gradients(tuple(sets.values()), rows)


def _entry(found: dict[Any, bool], key: Any, allowed: set[int] | None) -> str:
    if key not in found:
        return ""
    thing, role = key
    if role not in ("live", "parameter"):
        return ROLE
    if not found[key]:
        return STOPPED
    return MOVES if allowed is None or not allowed.isdisjoint(_marks(thing)) else OUTSIDE


def _title(key: Any) -> str:
    thing, role = key
    return parse(thing.name).text if role == "parameter" else in_role(parse(thing.name), role).text


def _marks(thing: Any) -> set[int]:
    """The identities by which a network or a cell may be named in wrt."""
    marks = {id(thing)}
    for part in (getattr(thing, "owner", None), getattr(thing, "module", None)):
        if part is not None:
            marks.add(id(part))
            marks.update(id(p) for p in _parameters(part))
    return marks


def _parameters(thing: Any) -> Iterable[Any]:
    parameters = getattr(thing, "parameters", None)
    if not callable(parameters):
        return ()
    try:
        return tuple(parameters())
    except TypeError:
        return ()


def _identities(wrt: Any) -> set[int]:
    if isinstance(wrt, (list, tuple, set, dict)):
        return set().union(*(_identities(w) for w in wrt)) if wrt else set()
    if isinstance(wrt, n.State):
        return {id(wrt.cell)}
    if isinstance(wrt, n.Definition):
        return _identities(wrt.body)
    return {id(wrt), *(id(p) for p in _parameters(wrt))}


def _reach(term: Expr) -> dict[Any, bool]:
    """(network or cell, role) -> whether a gradient arrives there."""
    found: dict[Any, bool] = {}
    key: tuple[Any, str]
    seen: dict[Expr, bool] = {}
    stack = [(term, True)]
    while stack:
        node, live = stack.pop()
        if seen.get(node, False) or (node in seen and not live):
            continue
        seen[node] = live
        if isinstance(node, n.Call) and not node.net.pure and node.role != "behavior":
            key = (node.net, node.role)
            found[key] = found.get(key, False) or (live and node.role == "live")
        elif isinstance(node, n.State) and node.cell.kind == "parameter":
            key = (node.cell, "parameter")
            found[key] = found.get(key, False) or live
        stack.extend((child, live and passes) for child, passes in reversed(flow(node)))
    order = [k for x in _order(term) if (k := _key_of(x)) in found]
    return {k: found[k] for k in dict.fromkeys(order)}


def _key_of(node: Expr) -> Any:
    if isinstance(node, n.Call):
        return node.net, node.role
    return (node.cell, "parameter") if isinstance(node, n.State) else None


def _order(term: Expr) -> Iterable[Expr]:
    from probrl.expr.traversal import executed, walk

    return walk(term, through=executed)


@singledispatch
def flow(node: Expr) -> list[tuple[Expr, bool]]:
    """The sub-formulas that run, each with whether a gradient passes to it."""
    return [(c, True) for c in children(node)]


@flow.register(n.StopGradient)
@flow.register(n.Compare)
@flow.register(n.Arg)
@flow.register(n.Noise)
@flow.register(n.Range)
def _(node: Expr) -> list[tuple[Expr, bool]]:
    return [(c, False) for c in children(node)]


@flow.register
def _(node: n.Unary) -> list[tuple[Expr, bool]]:
    return [(node.x, node.op not in ("floor", "sign"))]


@flow.register
def _(node: n.Where) -> list[tuple[Expr, bool]]:
    return [(node.condition, False), (node.x, True), (node.y, True)]


@flow.register
def _(node: n.At) -> list[tuple[Expr, bool]]:
    return [(node.x, True), (node.index, False)]


@flow.register
def _(node: n.Definition) -> list[tuple[Expr, bool]]:
    return [(node.body, True)]

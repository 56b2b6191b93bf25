"""The terms of a loss: what is added up below its mean, by name where the author gave one."""

from __future__ import annotations

from collections.abc import Callable

from probrl.expr import definition as d
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.traversal import walk

_LABEL = 60


def terms_of(loss: Expr, write_line: Callable[[Expr], str]) -> list[tuple[str, Expr, Expr]]:
    """(label, the term, what has a value of its own) for each term of a loss, in the author's order.

    A mean or a sum over the data is looked into. A term that is one named value times a coefficient is called by that
    name, and its value is the named value's; others are called by their text.
    """
    found: list[tuple[str, Expr, Expr]] = []
    for term, wrap in _split(loss, lambda x: x):
        named = [x for x in walk(term) if isinstance(x, n.Definition) and isinstance(x.head, d.NamedHead)]
        whole = [x for x in named if _is_scaled(term, x)]  # not those that stand inside another
        if len(whole) == 1:
            found.append((whole[0].head.name, wrap(term), wrap(whole[0])))
        else:
            label = write_line(term)
            found.append((label if len(label) <= _LABEL else label[: _LABEL - 2] + " …", wrap(term), wrap(term)))
    return found


def _split(x: Expr, wrap: Callable[[Expr], Expr]) -> list[tuple[Expr, Callable[[Expr], Expr]]]:
    if isinstance(x, n.Add):
        return [*_split(x.x, wrap), *_split(x.y, wrap)]
    if isinstance(x, n.Reduce) and x.over == "data" and x.op in ("mean", "sum"):
        op = x.op
        return _split(x.x, lambda y: wrap(n.Reduce(op, y, "data") if y.type.data else y))
    return [(x, wrap)]


def _is_scaled(term: Expr, named: Expr) -> bool:
    if term is named:
        return True
    if isinstance(term, n.Mul):
        if _is_scaled(term.y, named):
            return not _contains(term.x, named)
        return _is_scaled(term.x, named) and not _contains(term.y, named)
    if isinstance(term, n.Reduce) and term.over != "event":
        return _is_scaled(term.x, named)
    return False


def _contains(x: Expr, y: Expr) -> bool:
    return any(z is y for z in walk(x))

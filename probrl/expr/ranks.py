"""Settling the ranks of symbols: by their declaration, else by the distributions they are handed to, else scalar."""

from __future__ import annotations

from functools import lru_cache

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.traversal import everything, executed, substitute, walk


def settle(*roots: Expr) -> tuple[Expr, ...]:
    """The same formulas with every symbol's rank known, as far as they say it; types are checked on the way.

    A symbol that is only handed on to networks stays open: it may be an image, or a nested dict.

    Errors:
        ExpressionError: when one symbol is used as a scalar and as a vector, with the declaration to write.
    """
    return _settle(roots)


def _declaring(column: n.Symbol) -> str:
    """How a column is declared in code."""
    said = [
        f"pr.Axis('{a.name}', mask='{a.mask}')" if a.mask else f"'{a.name}'" for a in column.axes if a.name != "batch"
    ]
    axes = said[0] if len(said) == 1 else f"({', '.join(said)})"
    return f"pr.symbols('{column.name}', axes={axes})" if said else f"pr.symbols('{column.name}')"


@lru_cache(maxsize=512)
def _settle(roots: tuple[Expr, ...]) -> tuple[Expr, ...]:
    nodes = list(walk(*roots, through=everything))
    ranks: dict[str, tuple[int, str]] = {}
    columns = [x for x in nodes if isinstance(x, n.Symbol) and x.depth is None]
    axes: dict[str, n.Symbol] = {}
    for column in columns:
        first = axes.setdefault(column.name, column)
        if first.axes != column.axes:
            known, other = (", ".join(map(str, c.axes)) for c in (first, column))
            raise ExpressionError(
                f"the symbol '{column.name}' is declared over ({known}) and over ({other}): one column has one declaration, "
                f"so use the same symbol, as in {_declaring(max(first, column, key=lambda c: len(c.axes)))}, or name two columns"
            )
        if column.rank is not None:
            _declare(ranks, column, column.rank, "its declaration")
    for node in nodes:
        if isinstance(node, n.Definition):
            for value, rank in node.head.declares(*node.args):
                if isinstance(value, n.Symbol) and value.depth is None and value.rank is None:
                    _declare(ranks, value, rank, node.head.name)
    for symbol in _used_as_numbers(roots):
        if symbol.name not in ranks:
            ranks[symbol.name] = (0, "arithmetic")
    replacements: dict[Expr, Expr] = {
        c: n.Symbol(c.name, ranks[c.name][0], c.axes, None) for c in columns if c.rank is None and c.name in ranks
    }
    return tuple(substitute(r, replacements) for r in roots) if replacements else roots


def _declare(ranks: dict[str, tuple[int, str]], symbol: n.Symbol, rank: int, by: str) -> None:
    known = ranks.setdefault(symbol.name, (rank, by))
    if known[0] != rank:
        kinds = {0: "a scalar", 1: "a vector"}
        raise ExpressionError(
            f"the symbol '{symbol.name}' is {kinds.get(known[0], f'of rank {known[0]}')} for {known[1]} and "
            f"{kinds.get(rank, f'of rank {rank}')} for {by}; declare which it is: "
            f"{symbol.name} = pr.symbols('{symbol.name}', rank={max(rank, known[0])}), or name two columns"
        )


def _used_as_numbers(roots: tuple[Expr, ...]) -> list[n.Symbol]:
    found: dict[n.Symbol, None] = {}
    for node in walk(*roots, through=executed):
        if isinstance(node, (n.Call, n.Noise, n.Range)):
            continue
        parts = executed(node) if not isinstance(node, n.Definition) else ()
        found.update({c: None for c in parts if isinstance(c, n.Symbol) and c.rank is None and c.depth is None})
    for root in roots:
        if isinstance(root, n.Symbol) and root.rank is None:
            found.setdefault(root)
    return list(found)

"""The formulas of the functions that a page uses: each in a line of its own, over letters of its own."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from probrl.expr import definition as d
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.traversal import everything, executed, walk
from probrl.printing.layout import EQUALS
from probrl.printing.names import parse
from probrl.printing.scope import Row

if TYPE_CHECKING:
    from probrl.printing.desk import Desk

KNOWN = frozenset({"clip", "sqnorm", "dot", "softmax", "log_softmax", "logsumexp"})  # every reader knows them
_POINTWISE = (
    n.Number, n.State, n.Add, n.Mul, n.Pow, n.Unary, n.Extremum, n.Compare, n.Where, n.StopGradient, n.At, n.Shift
)  # fmt: skip
_FORMAL = -1  # the depth of a function's own letters, which no recursion has


def by_coordinate(node: Expr) -> bool:
    """Whether a coordinate of a formula is the formula of that coordinate of its parts."""
    if isinstance(node, n.Definition) and isinstance(node.head, d.FunctionHead):
        inside = walk(node.body, through=lambda x: () if x in node.args else executed(x))
        return all(x in node.args or isinstance(x, _POINTWISE) for x in inside)
    return isinstance(node, _POINTWISE) or (isinstance(node, n.Reduce) and isinstance(node.over, tuple))


def is_defined(node: Expr) -> bool:
    """Whether a formula is a function whose own formula a page shows; the words that all know are not."""
    return isinstance(node, n.Definition) and isinstance(node.head, d.FunctionHead) and node.head.name not in KNOWN


def define(node: n.Definition, desk: Desk) -> None:
    """Puts the formula of a function in a line."""
    if not desk.defines or not is_defined(node):
        return
    data = reduces_data(node)
    masks = () if data is None else data.type.data
    key = ("formula", node.head, tuple((a.type.index, a.type.rank) for a in node.args), masks)
    if desk.asked(key) or (general := _over_letters(node)) is None:
        return

    def line() -> Row:
        for f in general.args:
            assert isinstance(f, n.Symbol)
            desk.formals[f] = desk.letters.claim(("formal", f), parse(f.name), "", desk.indices(f.axes))
        return Row(desk.box(general), EQUALS, desk.box(general.body), True)

    desk.later(key, line)


def reduces_data(node: n.Definition) -> Expr | None:
    """What the body of a definition reduces over the data by itself, or None."""
    seen, stack = set(node.args), [node.body]
    while stack:
        x = stack.pop()
        if x in seen:
            continue
        seen.add(x)
        if isinstance(x, n.Reduce) and x.over == "data":
            return x.x
        stack.extend(everything(x))
    return None


def mixes_rows(node: n.Definition, axis: str) -> bool:
    """Whether a definition's value at an index of an axis depends on its arguments at others.

    Then a definition that is read ahead is not the definition of what is read ahead.
    """
    kinds = (n.Recursion, n.Shift, n.At, n.Arg)
    for x in walk(node.body, through=lambda x: () if x in node.args else everything(x)):
        if x not in node.args and isinstance(x, kinds) and x.axis == axis:
            return True
        if isinstance(x, n.Reduce) and (x.over == "data" or axis in x.over):
            return True
    return False


def _over_letters(node: n.Definition) -> n.Definition | None:
    """A function over its own parameters, or None when it takes any number of them or refuses letters."""
    assert isinstance(node.head, d.FunctionHead)
    parameters = inspect.signature(node.head.function).parameters.values()
    taken = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(taken) != len(node.args):
        return None
    formals = tuple(n.Symbol(p.name, a.type.rank, a.type.axes, _FORMAL) for p, a in zip(taken, node.args, strict=True))
    try:
        general = n.Definition(node.head, formals)
        return general if general.body is not None else None
    except Exception:  # it looks into its arguments: only its own author knows how
        return None

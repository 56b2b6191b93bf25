"""The named terms of a loss: what is reported of an update beside its losses."""

from __future__ import annotations

from collections.abc import Mapping

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.definition import NamedHead
from probrl.expr.operators import mean
from probrl.expr.traversal import everything, walk


def terms(loss: Expr) -> Mapping[str, Expr]:
    """The terms of a loss that have a name, as they go into the metrics."""
    found: dict[str, Expr] = {}
    for node in walk(loss, through=everything):
        if not isinstance(node, n.Definition) or not isinstance(node.head, NamedHead) or node is loss:
            continue
        if node.type.rank in (0, None) and not node.type.index:
            found[node.head.name] = mean(node) if node.type.data else node
    return found

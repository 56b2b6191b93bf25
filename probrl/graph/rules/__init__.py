"""One rule per node: what it is in a graph. The closed question "how does it run"."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from probrl.expr.base import Expr

if TYPE_CHECKING:
    from probrl.graph.lowering import Lowering, Value


@singledispatch
def rule(node: Expr, to: Lowering) -> Value:
    """The value of a node in a graph."""
    raise NotImplementedError(type(node).__name__)

"""Minibatch couplings: which noise goes with which datum."""

from __future__ import annotations

from torch import Tensor

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.state import Network


def paired(x: Expr, e: Expr) -> Expr:
    """The noise in the order in which the squared distances to the data, row by row, sum to the least."""
    return n.Call(PAIRED, "live", (x, e), e.type.rank or 1, ())


def _paired(x: Tensor, e: Tensor) -> Tensor:
    from probrl.data.coupling import optimal_coupling

    return e[optimal_coupling(x, e)]


PAIRED = Network("ot", _paired, None, True)

"""Minibatch couplings: which noise, or which other point, goes with which datum."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from torch import Tensor

from probrl.distributions.conditional import row_of
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import noise
from probrl.expr.state import Network


def coupled(how: str | Callable[[Expr, Expr], Expr], x: Expr, y: Expr, epsilon: float | None = None) -> Expr:
    """The other end in the order of a coupling: "independent", "ot", "entropic" (with its epsilon), or the user's own.

    Errors:
        ExpressionError for a coupling that is none.
    """
    if callable(how):
        return how(x, y)
    if how == "independent":
        return y
    if how == "ot":
        return paired(x, y)
    if how == "entropic" and epsilon is not None:
        return n.Call(_entropic(epsilon), "live", (x, y, noise(like=row_of(x), law="uniform")), y.type.rank or 1, ())
    known = "'independent', 'ot'" + ("" if epsilon is None else ", 'entropic'")
    raise ExpressionError(f"coupling={how!r}: the couplings are {known}, or a function of expressions (x, other)")


def paired(x: Expr, e: Expr) -> Expr:
    """The noise in the order in which the squared distances to the data, row by row, sum to the least."""
    return n.Call(PAIRED, "live", (x, e), e.type.rank or 1, ())


def _paired(x: Tensor, e: Tensor) -> Tensor:
    from probrl.data.coupling import optimal_coupling

    return e[optimal_coupling(x, e)]


PAIRED = Network("ot", _paired, None, True)


@lru_cache(maxsize=64)
def _entropic(epsilon: float) -> Network:
    def drawn(x: Any, y: Any, u: Any) -> Tensor:
        from probrl.data.entropic import entropic_coupling

        found: Tensor = y[entropic_coupling(x, y, u, epsilon)]
        return found

    return Network("entropic", drawn, None, True)

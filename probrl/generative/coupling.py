"""Minibatch couplings: which noise, or which other point, goes with which datum."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from probrl.data.coupling import optimal_coupling
from probrl.data.entropic import entropic_coupling
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


@torch.library.custom_op("probrl::optimal_coupling", mutates_args=())
def _optimal(x: Tensor, e: Tensor) -> Tensor:
    """The search as one operation of compiled code: what is inside cannot be traced, and all around it shall be."""
    return optimal_coupling(x, e)


@torch.library.custom_op("probrl::entropic_coupling", mutates_args=())
def _drawn(x: Tensor, y: Tensor, u: Tensor, epsilon: float) -> Tensor:
    return entropic_coupling(x, y, u, epsilon)


@_optimal.register_fake
def _(x: Tensor, e: Tensor) -> Tensor:
    return e.new_empty(e.shape[:1], dtype=torch.int64)


@_drawn.register_fake
def _(x: Tensor, y: Tensor, u: Tensor, epsilon: float) -> Tensor:
    return y.new_empty(y.shape[:1], dtype=torch.int64)


def _paired(x: Tensor, e: Tensor) -> Tensor:
    search = _optimal if torch.compiler.is_compiling() else optimal_coupling
    return e[search(x.detach(), e.detach())]


PAIRED = Network("ot", _paired, None, True)


@lru_cache(maxsize=64)
def _entropic(epsilon: float) -> Network:
    def drawn(x: Any, y: Any, u: Any) -> Tensor:
        search = _drawn if torch.compiler.is_compiling() else entropic_coupling
        found: Tensor = y[search(x.detach(), y.detach(), u.detach(), epsilon)]
        return found

    return Network("entropic", drawn, None, True)

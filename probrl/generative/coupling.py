"""Minibatch couplings: which noise, or which other point, goes with which datum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from probrl.data.coupling import optimal_coupling
from probrl.data.entropic import entropic_coupling
from probrl.distributions.conditional import row_of
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import noise
from probrl.expr.state import Network


def coupled(
    how: str | Callable[[Expr, Expr], Expr], x: Expr, y: Expr, epsilon: float | None = None, given: Sequence[Expr] = ()
) -> Expr:
    """The other end in the order of a coupling: "independent", "ot", "entropic" (with its epsilon), or the user's own.

    The given conditions bound it: see :func:`paired`.

    Errors:
        ExpressionError for a coupling that is none.
    """
    if callable(how):
        return how(x, y)
    if how == "independent":
        return y
    if how == "ot":
        return paired(x, y, given)
    if how == "entropic" and epsilon is not None:
        chance = noise(like=row_of(x), law="uniform")
        return n.Call(_entropic(epsilon), "live", (x, y, chance, *given), y.type.rank or 1, ())
    known = "'independent', 'ot'" + ("" if epsilon is None else ", 'entropic'")
    raise ExpressionError(f"coupling={how!r}: the couplings are {known}, or a function of expressions (x, other)")


def paired(x: Expr, e: Expr, given: Sequence[Expr] = ()) -> Expr:
    """The noise in the order in which the squared distances to the data, row by row, sum to the least.

    Rows change their noise among equal conditions only, so that beside each condition it is still standard normal.
    """
    return n.Call(PAIRED, "live", (x, e, *given), e.type.rank or 1, ())


def _optimal(x: Tensor, e: Tensor, given: list[Tensor]) -> Tensor:
    if not len(x):  # nothing to search: the loss of no row says so itself, as every other does
        return torch.arange(0, device=e.device)
    return optimal_coupling(x, e, alike(given))


def _drawn(x: Tensor, y: Tensor, u: Tensor, given: list[Tensor], epsilon: float) -> Tensor:
    if not len(x):
        return torch.arange(0, device=y.device)
    return entropic_coupling(x, y, u, epsilon, groups=alike(given))


# Each search is one operation of compiled code: what is inside cannot be traced, and all around it shall be.
OPTIMAL = torch.library.custom_op("probrl::optimal_coupling", _optimal, mutates_args=())
DRAWN = torch.library.custom_op("probrl::entropic_coupling", _drawn, mutates_args=())


@OPTIMAL.register_fake
def _(x: Tensor, e: Tensor, given: list[Tensor]) -> Tensor:
    return e.new_empty(e.shape[:1], dtype=torch.int64)


@DRAWN.register_fake
def _(x: Tensor, y: Tensor, u: Tensor, given: list[Tensor], epsilon: float) -> Tensor:
    return y.new_empty(y.shape[:1], dtype=torch.int64)


def alike(given: Sequence[Tensor]) -> Tensor | None:
    """A number per row, equal where all conditions are; None without conditions."""
    if not given:
        return None
    rows = torch.cat([c.detach().reshape(len(c), -1).double() for c in given], 1)
    return rows.unique(dim=0, return_inverse=True)[1]


def _held(given: Sequence[Any]) -> list[Tensor]:
    return [c.detach() for c in tree_leaves(tuple(given)) if isinstance(c, Tensor)]


def _paired(x: Tensor, e: Tensor, *given: Any) -> Tensor:
    search = OPTIMAL if torch.compiler.is_compiling() else _optimal
    return e[search(x.detach(), e.detach(), _held(given))]


PAIRED = Network("ot", _paired, None, True)


@lru_cache(maxsize=64)
def _entropic(epsilon: float) -> Network:
    def drawn(x: Any, y: Any, u: Any, *given: Any) -> Tensor:
        search = DRAWN if torch.compiler.is_compiling() else _drawn
        found: Tensor = y[search(x.detach(), y.detach(), u.detach(), _held(given), epsilon)]
        return found

    return Network("entropic", drawn, None, True)

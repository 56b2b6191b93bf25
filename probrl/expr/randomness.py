"""Noise: the only randomness, each source with an identity."""

from __future__ import annotations

import itertools
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis, index_axis
from probrl.expr.base import Expr
from probrl.expr.lifting import lift

_uids = itertools.count()


def fresh_noise(
    law: str, like: Expr | None, extra: tuple[tuple[Axis, int], ...] = (), options: tuple[Any, ...] = ()
) -> Expr:
    """A new source of randomness: two calls are two values."""
    return n.Noise(next(_uids), law, like, extra, options)


def noise(like: Any, n: int | None = None, axis: str | None = None, law: str = "normal") -> Expr:
    """Fresh noise with the axes and the event shape of an expression, standard normal unless ``law`` says otherwise.

    Args:
        like: the expression whose shape it takes.
        n: with ``axis``, how many along a new index axis.
        axis: the name of that axis.
        law: "normal", "uniform" (on [0, 1)), "rademacher" or "gumbel".

    Example:
        >>> import probrl as pr
        >>> x = pr.symbols("x")
        >>> eps = pr.noise(like=x)
        >>> print(x + 0.1 * eps)
        x + 0.1 ε
        where
          ε ~ N(0, 1) like x
        >>> pr.noise(like=x) == eps
        False
    """
    if (n is None) != (axis is None):
        raise ExpressionError("pr.noise(like=x, n=..., axis=...): the number and the name of the new axis go together")
    extra = () if axis is None or n is None else ((index_axis(axis), n),)
    return fresh_noise(law, lift(like), extra)

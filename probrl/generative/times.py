"""At which times a model is trained: laws of t, each as a formula of fresh noise."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from probrl.distributions.conditional import row_of
from probrl.distributions.uniform import Uniform
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import clip, cos, noise, sigmoid
from probrl.generative.pieces import called

INSIDE = 1e-3  # how far from the ends times are drawn that are uniform in an infinite log-SNR


def uniform(path: Any, first: float, last: float, per: Expr) -> tuple[Expr, Expr | None]:
    """Uniform between two times."""
    low, high = (int(end) if end in (0, 1) else end for end in (first, last))
    return Uniform(low, high, variable="t").draw(per=per), None


def likelihood(path: Any, first: float, last: float, per: Expr) -> tuple[Expr, Expr | None]:
    """Uniform in the log-SNR, the density of times by which a likelihood's weight -2 l' is constant.

    Its density against the uniform one is returned too, since the weights are divided by it.

    Source:
        Song, Durkan, Murray and Ermon 2021, "Maximum likelihood training of score-based diffusion models", section 4.3.
    """
    first, last = max(first, INSIDE), min(last, 1 - INSIDE)
    low, high = path.half_log_snr(last), path.half_log_snr(first)
    t = called("t", path.time_of(Uniform(low, high).draw(per=per)))
    return t, -path.half_log_snr_dot(t) * ((last - first) / (high - low))


def logit_normal(path: Any, first: float, last: float, per: Expr) -> tuple[Expr, Expr | None]:
    """The logistic of a standard normal: more often in the middle. Source: Esser et al. 2024, section 3.1."""
    return called("t", _between(first, last, sigmoid(noise(like=row_of(per))))), None


def edm(path: Any, first: float, last: float, per: Expr) -> tuple[Expr, Expr | None]:
    """ln(sigma / alpha) normal with mean -1.2 and deviation 1.2. Source: Karras et al. 2022, table 1."""
    return called("t", clip(path.time_of(1.2 - 1.2 * noise(like=row_of(per))), first, last)), None


def arcsine(path: Any, first: float, last: float, per: Expr) -> tuple[Expr, Expr | None]:
    """(1 - cos pi u) / 2 for uniform u: more often near both ends, where a bridge's velocity goes like 1 / sqrt(t (1 - t)),
    which is the density of these times."""
    angle = n.Number(math.pi, "pi") * Uniform(0, 1).draw(per=per)
    return called("t", _between(first, last, 0.5 - 0.5 * cos(angle))), None


def _between(first: float, last: float, share: Expr) -> Expr:
    """The time at a share of the way."""
    return share if (first, last) == (0, 1) else first + (last - first) * share


LAWS = {f.__name__: f for f in (uniform, likelihood, logit_normal, edm, arcsine)}


def drawn(
    law: str, path: Any, ends: tuple[float, float], per: Expr, known: Collection[str] = tuple(LAWS)
) -> tuple[Expr, Expr | None]:
    """A time per row, and the density of its law against the uniform one where weights are divided by it.

    Args:
        law: one of those that are known.
        path: whose times they are.
        ends: the first and the last.
        per: what has the rows.
        known: the laws that there are.

    Errors:
        ExpressionError for a law that is none.
    """
    if law not in known:
        raise ExpressionError(f"law={law!r}: the laws of t are {', '.join(map(repr, known))}")
    return LAWS[law](path, *ends, per)

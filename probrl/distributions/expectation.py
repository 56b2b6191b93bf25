"""How an expectation is taken: exactly, by the score, or through the draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from probrl.distributions.applied import Applied
from probrl.distributions.heads import Draw
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.operators import lift, stop_gradient


def expect(body: Callable[[Expr], Any] | Any, over: Any, how: str = "exact") -> Expr:
    r"""The expectation of a formula over a draw, computed in the way that ``how`` names.

    .. math:: \mathbb E_{a \sim \pi(\cdot \mid s)} f(a)

    Args:
        body: f, as a function of the value; or a formula in which the draw occurs.
        over: a draw, ``pi(s).draw()``.
        how: "exact" sums over the classes, with their numbers as the value; "score" takes f at the draw, and its
            gradient by f times the gradient of log pi; "reparameterised" takes f and its gradient through the draw.

    Shapes:
        The axes of f at one value.

    Errors:
        ExpressionError when ``over`` is no draw, or of a family for which there is no such way.

    Source:
        Williams, "Simple statistical gradient-following algorithms", 1992, for "score".

    Example:
        >>> import probrl as pr
        >>> pi, s = pr.Categorical("a | s", pr.mlp(4, 8, 3)), pr.symbols("s")
        >>> Q = pr.Deterministic("q[a] | s", pr.mlp(4, 8, 3))
        >>> value = pr.expect(lambda b: Q(s)[b] - 0.2 * pi(s).log_prob(b), over=pi(s).draw(), how="exact")
    """
    if not isinstance(over, n.Definition) or not isinstance(over.head, Draw):
        what = show(over) if isinstance(over, Expr) else repr(over)
        raise ExpressionError(f"pr.expect(..., over={what}): an expectation is over a draw, as in over=pi(s).draw()")
    head = over.head
    if how not in _WAYS:
        raise ExpressionError(f"pr.expect(..., how={how!r}): write how='exact', 'score' or 'reparameterised'")
    applied = Applied(head.dist, head.role, over.args[head.noises :], head.held)

    def function(value: Expr) -> Expr:
        if callable(body) and not isinstance(body, Expr):
            return lift(body(value))
        from probrl.expr.traversal import substitute

        return substitute(lift(body), {over: value})

    return _WAYS[how](function, over, applied)


def _exact(f: Callable[[Expr], Expr], draw: n.Definition, applied: Applied) -> Expr:
    head: Any = draw.head
    dist = head.dist
    if dist.support != "classes":
        raise ExpressionError(
            f"pr.expect(..., over={show(draw)}, how='exact'): {dist.article} has too many values to sum over; "
            "write how='reparameterised' or 'score'"
        )
    if any(isinstance(x, n.Noise) and x.extra for x in draw.args[: head.noises]):
        raise ExpressionError(
            f"pr.expect(..., over={show(draw)}, how='exact'): the sum needs no samples; draw() without a number"
        )
    axis = dist.axis
    classes = dist.classes(applied.parameters["logits"])
    return (applied.prob(classes) * f(classes)).sum(axis)


def _score(f: Callable[[Expr], Expr], draw: n.Definition, applied: Applied) -> Expr:
    value = stop_gradient(draw)
    inside, log_prob = f(value), applied.log_prob(value)
    return inside + stop_gradient(inside) * (log_prob - stop_gradient(log_prob))


def _reparameterised(f: Callable[[Expr], Expr], draw: n.Definition, applied: Applied) -> Expr:
    head: Any = draw.head
    if not head.reparameterised:
        raise ExpressionError(
            f"pr.expect(..., over={show(draw)}, how='reparameterised'): no gradient passes through a draw of "
            f"{head.dist.article}; write how='exact' or 'score'"
        )
    return f(draw)


_WAYS: dict[str, Callable[[Callable[[Expr], Expr], n.Definition, Applied], Expr]] = {
    "exact": _exact,
    "score": _score,
    "reparameterised": _reparameterised,
}

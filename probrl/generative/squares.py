"""Matching losses, read as quadratic forms of the errors in what is added to the data."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.definition import FunctionHead
from probrl.expr.operators import sqnorm, symbols
from probrl.expr.traversal import executed, substitute, transform, walk
from probrl.paths.algebra import tidy
from probrl.paths.time import t as TIME
from probrl.symbolic import to_sympy


class Unread(Exception):
    """Why a formula is no matching loss."""


@dataclass(frozen=True)
class Square:
    """A loss as a quadratic form of the errors in what is added to the data, over x_t = alpha x + sigma noise + ...

    Attributes:
        shares: of the data, then of all else, in x_t.
        weights: of the products of errors of all else; for data and noise alone that is w(t) |noise error|^2.
        leaves: the data, then all else.
        given, when: the conditions and the time.
    """

    shares: tuple[Any, ...]
    weights: tuple[tuple[Any, ...], ...]
    leaves: tuple[Expr, ...]
    given: tuple[Expr, ...]
    when: Expr


def read(loss: Expr) -> Square:
    """A matching loss, or a mean of one.

    Errors:
        Unread for anything else, with the reason.
    """
    squares = [(_linear(inside), factors) for inside, factors in _errors(loss)]
    calls = dict.fromkeys(call for terms, _ in squares for x in terms if (call := _called(x)) is not None)
    if len(calls) != 1:
        said = " and ".join(show(n.Definition(FunctionHead("sqnorm", sqnorm), (x,))) for x, _ in _errors(loss))
        if len(squares) > 1:
            raise Unread(f"{said} is no weighted squared error of one network")
        raise Unread(f"its error {show(_errors(loss)[0][0])} has {len(calls)} networks at (x_t, t), not one")
    (call,) = calls
    x_t, when, *given = call.args
    shares = {k: _over_time(v, when) for k, v in _linear(x_t).items()}
    if len(shares) < 2:
        raise Unread(f"what its network sees, {show(x_t)}, is not data and noise alone")
    data, *others = sorted(shares, key=lambda k: (isinstance(k, n.Noise), _number(shares[k], 0.05) < 0.5))
    weights = [[0 * TIME for _ in others] for _ in others]
    for terms, factors in squares:
        error = {k: _over_time(v, when) for k, v in terms.items() if _called(k) is None}
        if set(error) - set(shares):
            more = [k for k in error if k not in shares]
            own = any(isinstance(y, n.Call) and not y.net.pure for k in more for y in walk(k, through=executed))
            why = (
                "what the network says itself, so that it is no regression on data and noise"
                if own
                else "more than both"
            )
            raise Unread(f"its target holds {why}: {', '.join(map(show, more))}")
        # what is wrong of the data follows from what is wrong of all else, because x_t is known
        row = [error.get(k, 0) - error.get(data, 0) * shares[k] / shares[data] for k in others]
        weight = prod((_over_time([f], when) for f in factors), start=TIME**0)
        weights = [
            [w + weight * a * b for w, b in zip(ws, row, strict=True)] for ws, a in zip(weights, row, strict=True)
        ]
    tidied = tuple(tuple(tidy(w) for w in ws) for ws in weights)
    return Square(tuple(tidy(shares[k]) for k in (data, *others)), tidied, (data, *others), tuple(given), when)


def _called(x: Expr) -> n.Call | None:
    """The call of a network at (x_t, t) that a term of an error is, or is an output of."""
    x = x.x if isinstance(x, n.Item) else x
    return x if isinstance(x, n.Call) and not x.net.pure and len(x.args) >= 2 else None


def _errors(loss: Expr, factors: tuple[Expr, ...] = ()) -> list[tuple[Expr, tuple[Expr, ...]]]:
    """The vectors whose squared norms a loss is the sum of, each with the factors before it."""
    if isinstance(loss, n.Definition):
        norm = isinstance(loss.head, FunctionHead) and loss.head.name == "sqnorm"
        return [(loss.args[0], factors)] if norm else _errors(loss.body, factors)
    if isinstance(loss, n.Add):
        return [*_errors(loss.x, factors), *_errors(loss.y, factors)]
    if isinstance(loss, n.Reduce) and loss.op == "mean" and loss.over == "data":
        return _errors(loss.x, factors)
    if isinstance(loss, n.Reduce) and loss.op == "sum" and loss.over == "event" and isinstance(loss.x, n.Pow):
        return [(loss.x.x, factors)]
    if isinstance(loss, n.Mul):
        left, right = (
            any(isinstance(y, n.Call) and not y.net.pure for y in walk(z, through=executed)) for z in (loss.x, loss.y)
        )
        if left != right:
            inside, factor = (loss.x, loss.y) if left else (loss.y, loss.x)
            return _errors(inside, (*factors, factor))
    raise Unread(f"{show(loss)} is no weighted squared error")


def _linear(x: Expr) -> dict[Expr, list[Expr]]:
    """A vector as a sum of others, each times scalars that are summed."""
    if isinstance(x, n.Add):
        found = dict(_linear(x.x))
        for k, v in _linear(x.y).items():
            found[k] = [*found.get(k, []), *v]
        return found
    if isinstance(x, n.Mul):
        scalar, vector = (x.x, x.y) if (x.x.type.rank or 0) == 0 else (x.y, x.x)
        if (scalar.type.rank or 0) == 0:
            return {k: [scalar * c for c in v] for k, v in _linear(vector).items()}
    if isinstance(x, n.Definition) and not getattr(x.head, "noises", 0):
        return _linear(x.body)
    return {x: [n.Number(1, None)]}


def _over_time(terms: list[Expr], when: Expr) -> Any:
    """A sum of scalars as a sympy formula of t."""
    t = symbols("t", rank=0)
    total: Any = 0
    for term in terms:
        over_t = transform(substitute(_opened(term, when), {when: t}), _inside)
        total = total + to_sympy(over_t)
    here = next((s for s in getattr(total, "free_symbols", ()) if str(s) == "t"), None)
    return TIME * 0 + total if here is None else total.xreplace({here: TIME})


def _opened(x: Expr, when: Expr) -> Expr:
    """A formula with its definitions opened, but for the time itself."""
    stand_in = symbols("t", rank=0)

    def opened(y: Expr) -> Expr | None:
        return transform(y.body, opened) if isinstance(y, n.Definition) and y is not stand_in else None

    return transform(substitute(x, {when: stand_in}), opened)


def _inside(x: Expr) -> Expr | None:
    """The formula between the ends of time, where it has a value of its own at an end."""
    at_an_end = isinstance(x, n.Where) and isinstance(x.condition, n.Compare) and x.condition.op == "eq"
    return x.y if at_an_end and isinstance(x, n.Where) else None


def _number(formula: Any, at: float) -> float:
    """The value at a time; constants count as 1."""
    values = {s: 1.0 for s in getattr(formula, "free_symbols", ()) if s != TIME}
    return float(abs(formula.evalf(subs={TIME: at, **values})))

"""Matching losses, read as quadratic forms of the errors in what is added to the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any

from probrl.expr import nodes as n
from probrl.expr.axes import BATCH
from probrl.expr.base import Expr, show
from probrl.expr.definition import FunctionHead
from probrl.expr.operators import sqnorm
from probrl.expr.ranks import settle
from probrl.expr.traversal import executed, substitute, transform, walk
from probrl.paths import exactly
from probrl.paths.algebra import tidy
from probrl.paths.time import t as TIME
from probrl.symbolic.formulas import Reading

WHEN = n.Symbol("time of the loss", 0, (BATCH,), None)  # a name that no column has


Matrix = tuple[tuple[Any, ...], ...]


class Unread(Exception):
    """Why a formula is no matching loss."""


@dataclass(frozen=True)
class Square:
    """A loss as a quadratic form of the errors in what is added to the data, over x_t = alpha x + sigma noise + ...

    Attributes:
        shares: of the data, then of all else, in x_t.
        weights: of the products of errors of all else; for data and noise alone that is w(t) |noise error|^2.
        answers: the same of what the network says, output by output, and of x_t, with each other and with all else: they
            say which question the network answers, and are worked out where two losses have one network.
        leaves: the data, then all else.
        call: of the network.
        given, when: the conditions and the time.
    """

    shares: tuple[Any, ...]
    weights: Matrix
    answers: Callable[[], Matrix]
    leaves: tuple[Expr, ...]
    call: n.Call
    given: tuple[Expr, ...]
    when: Expr


@dataclass
class Algebra:
    """Formulas of the time, by one reading for all losses that are compared: one letter is one thing in all of them."""

    reading: Reading = field(default_factory=Reading)

    def over_time(self, terms: list[Expr], when: Expr) -> Any:
        """A sum of scalars as a sympy formula of t; decimal numbers are exact."""
        total: Any = TIME * 0
        for term in terms:
            (over_t,) = settle(transform(_opened(term, when), _inside))
            total = total + self.reading.of(over_t)
        return exactly.exact(total.xreplace({self.reading.of(WHEN): TIME}))

    def zero(self, formula: Any) -> bool:
        """Whether a formula is 0: by algebra, else in many digits at a few times, constants at their values."""
        found = tidy(formula)
        return bool(found == 0) or exactly.vanishes(found, self.constants(found), self.others(found))

    def number(self, formula: Any, at: float) -> float:
        """The size of the value at a time; what has no value of its own counts as some number."""
        return float(abs(exactly.value(formula, at, self.constants(formula), self.others(formula))))

    def constants(self, formula: Any) -> dict[Any, Any]:
        """The numbers that stand under a letter in a formula."""
        leaves = {x: self.reading.leaves.get(x) for x in formula.free_symbols}
        return {x: exactly.fraction(y.value) for x, y in leaves.items() if isinstance(y, n.Number)}

    def valued(self, formula: Any) -> Any:
        """A formula with its constants' values in the place of their letters."""
        return exactly.legible(formula.xreplace(self.constants(formula)))

    def others(self, formula: Any) -> list[Any]:
        """What a formula holds besides the time and constants: columns, draws, what networks say."""
        atoms = sorted(exactly.unknowns(formula), key=str)
        return [x for x in atoms if not isinstance(self.reading.leaves.get(x), n.Number)]


def read(loss: Expr, algebra: Algebra) -> Square:
    """A matching loss, or a mean of one.

    Errors:
        Unread for anything else, with the reason.
    """
    squares = [(_linear(inside), factors) for inside, factors in _errors(loss)]
    call = _network(loss, squares)
    x_t, when, *given = call.args
    shares = {k: algebra.over_time(v, when) for k, v in _linear(x_t).items()}
    if len(shares) < 2:
        raise Unread(f"what its network sees, {show(x_t)}, is not data and noise alone")
    data, *others = sorted(shares, key=lambda k: (isinstance(k, n.Noise), algebra.number(shares[k], 0.05) < 0.5))
    outputs = sorted({k for terms, _ in squares for k in terms if _called(k) is not None}, key=_output)
    said, wrong, factors = [], [], []
    for terms, before in squares:
        error = {k: algebra.over_time(v, when) for k, v in terms.items()}
        _refuse_more([k for k in error if k not in shares and k not in outputs])
        # what is wrong of the data follows from what is wrong of all else, because x_t is known
        of_data = error.get(data, 0 * TIME) / shares[data]
        said.append([*(error.get(k, 0 * TIME) for k in outputs), of_data])
        wrong.append([error.get(k, 0 * TIME) - of_data * shares[k] for k in others])
        factors.append(prod((algebra.over_time([f], when) for f in before), start=TIME**0))
    weights = _products(factors, wrong, wrong)
    if all(algebra.zero(w) for ws in weights for w in ws):
        raise Unread(f"{show(loss)} does not depend on what its network says of the noise: its weight is 0")
    answers = partial(_products, factors, said, [[*a, *b] for a, b in zip(said, wrong, strict=True)])
    leaves = (data, *others)
    return Square(tuple(tidy(shares[k]) for k in leaves), weights, answers, leaves, call, tuple(given), when)


def _products(factors: list[Any], left: list[list[Any]], right: list[list[Any]]) -> Matrix:
    """Of a sum of squares, the coefficient of each product of two of its terms."""

    def coefficient(i: int, j: int) -> Any:
        return tidy(sum((w * a[i] * b[j] for w, a, b in zip(factors, left, right, strict=True)), start=0 * TIME))

    return tuple(tuple(coefficient(i, j) for j in range(len(right[0]))) for i in range(len(left[0])))


def _output(x: Expr) -> int:
    """Which output of its network a term is."""
    return x.index if isinstance(x, n.Item) else 0


def _network(loss: Expr, squares: list[tuple[dict[Expr, list[Expr]], tuple[Expr, ...]]]) -> n.Call:
    """The one call of a network that all errors of a loss are about."""
    calls = dict.fromkeys(call for terms, _ in squares for x in terms if (call := _called(x)) is not None)
    if len(calls) == 1:
        return next(iter(calls))
    if len(squares) > 1:
        said = " and ".join(show(n.Definition(FunctionHead("sqnorm", sqnorm), (x,))) for x, _ in _errors(loss))
        raise Unread(f"{said} is no weighted squared error of one network")
    raise Unread(f"its error {show(_errors(loss)[0][0])} has {len(calls)} networks at (x_t, t), not one")


def _refuse_more(more: list[Expr]) -> None:
    if not more:
        return
    own = any(isinstance(y, n.Call) and not y.net.pure for k in more for y in walk(k, through=executed))
    why = "what the network says itself, so that it is no regression on data and noise" if own else "more than both"
    raise Unread(f"its target holds {why}: {', '.join(map(show, more))}")


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


def _opened(x: Expr, when: Expr) -> Expr:
    """A formula with its definitions opened, but for the time itself."""

    def opened(y: Expr) -> Expr | None:
        return transform(y.body, opened) if isinstance(y, n.Definition) else None

    return transform(substitute(x, {when: WHEN}), opened)


def _inside(x: Expr) -> Expr | None:
    """The formula between the ends of time, where it has a value of its own at an end."""
    at_an_end = isinstance(x, n.Where) and isinstance(x.condition, n.Compare) and x.condition.op == "eq"
    return x.y if at_an_end and isinstance(x, n.Where) else None

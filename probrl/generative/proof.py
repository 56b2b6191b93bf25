"""Whether two matching losses are the same up to a weight of the time: shown by algebra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.definition import FunctionHead
from probrl.expr.operators import symbols
from probrl.expr.traversal import executed, substitute, transform, walk
from probrl.paths.algebra import tidy
from probrl.paths.time import t as TIME
from probrl.symbolic import from_sympy, to_sympy

AT = (0.137, 0.31, 0.59, 0.83)  # where formulas that algebra leaves apart are compared in many digits
DIGITS = 40


@dataclass(frozen=True)
class Proof:
    """What was found out about two losses.

    Attributes:
        equal: whether the first is the second times a weight of the time.
        weight: that weight, a formula of t; None where there is none.
        reason: how it follows, or why it does not.
    """

    equal: bool
    weight: Expr | None
    reason: str

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        return f"equal up to w(t) = {self.weight}: {self.reason}" if self.equal else f"not equal: {self.reason}"

    @property
    def identical(self) -> bool:
        """Whether the weight is 1."""
        return isinstance(self.weight, n.Number) and self.weight.value == 1

    def latex(self) -> str:
        """The weight as LaTeX; empty where there is none."""
        return "" if self.weight is None else self.weight.latex()


class Unread(Exception):
    """Why a formula is no matching loss."""


@dataclass(frozen=True)
class Square:
    """A loss as W(t) |noise as the network sees it - noise|^2, over x_t = alpha x + sigma noise."""

    alpha: Any
    sigma: Any
    weight: Any
    data: Expr
    noise: Expr
    given: tuple[Expr, ...]
    when: Expr


def prove_equal(first: Any, second: Any) -> Proof:
    r"""Whether two matching losses are the same up to a weight w(t), by algebra on their formulas.

    A loss is read as a factor times a squared error that is linear in the network, the data and the noise. With
    x_t = alpha x + sigma noise, a network whose target is p x + q noise is a network of the noise, and

    .. math:: \| m - (p\, x + q\, \epsilon) \|^2 = \Big( q - \frac{p\, \sigma}{\alpha} \Big)^2 \| \hat\epsilon - \epsilon \|^2 .

    Two losses are equal up to w(t) when they noise the same data in the same way; w is the quotient of their weights.

    Args:
        first, second: ``mu(s).matching(a)``, a mean of it, or the same written out by hand.

    Returns:
        A :class:`Proof`: true or false, with ``weight`` (the first is weight times the second) and ``reason``.

    Errors:
        ExpressionError for what is no formula.

    Source:
        Kingma and Gao 2023, "Understanding diffusion objectives as the ELBO with simple data augmentation", section 3.

    Example:
        >>> import probrl as pr
        >>> x, net = pr.symbols("x"), pr.networks.TimeMLP(2)
        >>> by_noise, by_velocity = (pr.Flow("x", net, weight=w).matching(x) for w in ("noise", "velocity"))
        >>> proof = pr.prove_equal(by_velocity, by_noise)
        >>> bool(proof), str(proof.weight)
        (True, '1 / (t - 1)²')
    """
    for loss in (first, second):
        if not isinstance(loss, Expr):
            raise ExpressionError(f"pr.prove_equal compares formulas, as in mu(s).matching(a); it got {loss!r}")
    squares = []
    for which, loss in (("first", first), ("second", second)):
        try:
            squares.append(_read(loss))
        except Unread as why:
            return Proof(False, None, f"the {which} is not read as a matching loss: {why}")
    one, two = squares
    if (apart := _apart(one, two)) is not None:
        return Proof(False, None, apart)
    ratio = one.weight / two.weight
    ratio = ratio**0 if _zero(ratio - 1) else tidy(ratio)
    constants = {x.letter: x for loss in (first, second) for x in _numbers(loss)}
    weight = from_sympy(ratio, {**constants, "t": symbols("t", rank=0)})
    alike = transform(one.when, _anonymous) is transform(two.when, _anonymous)
    times = "" if alike else "; their times are drawn by other laws, and w does not count that"
    how = "both are errors of the noise in the same x_t, of weights "
    return Proof(True, weight, f"{how}{one.weight} and {two.weight}{times}")


def _apart(one: Square, two: Square) -> str | None:
    """What differs besides the weight."""
    if one.data is not two.data:
        return f"they are about other data, {show(one.data)} and {show(two.data)}"
    if one.given != two.given:
        return f"they have other conditions, {', '.join(map(show, one.given))} and {', '.join(map(show, two.given))}"
    for name, a, b in (("data", one.alpha, two.alpha), ("noise", one.sigma, two.sigma)):
        if not _zero(a - b):
            return f"they noise the data in other ways: the share of the {name} is {a} and {b}"
    if one.noise is not two.noise and not all(
        isinstance(x.noise, n.Noise) and x.noise.law == "normal" for x in (one, two)
    ):
        return f"data and noise are paired in other ways: {show(one.noise)} and {show(two.noise)}"
    return None


def _read(loss: Expr) -> Square:
    factors: list[Expr] = []
    inside = _error(loss, factors)
    terms = _linear(inside)
    calls = [x for x in terms if isinstance(x, n.Call) and len(x.args) >= 2]
    if len(calls) != 1:
        raise Unread(f"its error {show(inside)} has {len(calls)} networks at (x_t, t), not one")
    (call,) = calls
    x_t, when, *given = call.args
    shares = {k: _over_time(v, when) for k, v in _linear(x_t).items()}
    if len(shares) != 2:
        raise Unread(f"what its network sees, {show(x_t)}, is not data and noise alone")
    data, noise = sorted(shares, key=lambda k: (isinstance(k, n.Noise), _number(shares[k], 0.05) < 0.5))
    error = {k: _over_time(v, when) for k, v in terms.items() if k is not call}
    if set(error) - {data, noise}:
        raise Unread(f"its target has more than the data and the noise: {', '.join(map(show, error))}")
    p, q = error.get(data, 0), error.get(noise, 0)
    weight = (q - p * shares[noise] / shares[data]) ** 2
    for factor in factors:
        weight = weight * _over_time([factor], when)
    return Square(tidy(shares[data]), tidy(shares[noise]), tidy(weight), data, noise, tuple(given), when)


def _error(x: Expr, factors: list[Expr]) -> Expr:
    """The vector whose squared norm a loss is, besides factors."""
    if isinstance(x, n.Definition):
        if isinstance(x.head, FunctionHead) and x.head.name == "sqnorm":
            return x.args[0]
        return _error(x.body, factors)
    if isinstance(x, n.Reduce) and x.op == "mean" and x.over == "data":
        return _error(x.x, factors)
    if isinstance(x, n.Reduce) and x.op == "sum" and x.over == "event" and isinstance(x.x, n.Pow):
        return x.x.x
    if isinstance(x, n.Mul):
        left, right = (
            any(isinstance(y, n.Call) and not y.net.pure for y in walk(z, through=executed)) for z in (x.x, x.y)
        )
        if left != right:
            factors.append(x.y if left else x.x)
            return _error(x.x if left else x.y, factors)
    raise Unread(f"{show(x)} is no weighted squared error")


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


def _anonymous(x: Expr) -> Expr | None:
    """A node without what tells one draw from another of the same law."""
    if isinstance(x, n.Definition):
        return transform(x.body, _anonymous)
    if isinstance(x, n.Noise):
        return n.Noise(-1, x.law, None, x.extra, x.options)
    return n.Number(float(x.value), x.letter) if isinstance(x, n.Number) else None


def _zero(formula: Any) -> bool:
    """Whether a formula is 0: by algebra, else in many digits at a few times and for other constants."""
    found = tidy(formula)
    if found == 0:
        return True
    free = found.free_symbols - {TIME}
    values = {s: 0.3 + 0.1 * i for i, s in enumerate(sorted(free, key=str))}
    return all(abs(found.evalf(DIGITS, subs={TIME: at, **values})) < 10.0 ** (5 - DIGITS) for at in AT)


def _number(formula: Any, at: float) -> float:
    """The value at a time; constants count as 1."""
    values = {s: 1.0 for s in getattr(formula, "free_symbols", ()) if s != TIME}
    return float(abs(formula.evalf(subs={TIME: at, **values})))


def _numbers(loss: Expr) -> list[n.Number]:
    return [x for x in walk(loss, through=executed) if isinstance(x, n.Number) and x.letter is not None]

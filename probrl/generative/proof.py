"""Whether two matching losses are the same up to a weight of the time: shown by algebra."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.operators import symbols
from probrl.expr.ranks import settle
from probrl.expr.traversal import transform
from probrl.generative.squares import Algebra, Square, Unread, read
from probrl.paths.algebra import tidy
from probrl.paths.exactly import legible
from probrl.symbolic import from_sympy


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
        return f"equal up to w(t) = {show(self.weight)}: {self.reason}" if self.equal else f"not equal: {self.reason}"

    @property
    def identical(self) -> bool:
        """Whether the weight is 1."""
        return isinstance(self.weight, n.Number) and self.weight.value == 1

    def latex(self) -> str:
        """The weight as LaTeX; empty where there is none."""
        return "" if self.weight is None else self.weight.latex()


def prove_equal(first: Any, second: Any) -> Proof:
    r"""Whether two matching losses are the same up to a weight w(t), by algebra on their formulas.

    A loss is read as a factor times a squared error that is linear in the network, the data and the noise. With
    x_t = alpha x + sigma noise, a network whose target is p x + q noise is a network of the noise, and

    .. math:: \| m - (p\, x + q\, \epsilon) \|^2 = \Big( q - \frac{p\, \sigma}{\alpha} \Big)^2 \| \hat\epsilon - \epsilon \|^2 .

    Two losses are equal up to w(t) when they noise the same data in the same way; w is the quotient of their weights. Two
    models are each asked for what it predicts, whatever that is; one model in both has to be asked for the same. Constants
    count by their values, whatever their letters; a factor that is no function of the time, such as exp(A), has to stand in both. Of a
    bridge, whose x_t has a start besides, the weights are those of all products of two errors. A loss whose target holds
    what the network says itself (consistency, mean flows) and one of tokens are equal to themselves alone.

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
    first, second = settle(first, second)
    algebra, squares = Algebra(), []
    for which, loss in (("first", first), ("second", second)):
        try:
            squares.append(read(loss, algebra))
        except Unread as why:
            if _one_formula(first, second):
                return Proof(
                    True, n.Number(1, None), "they are one formula, but for which draws of their noises they hold"
                )
            return Proof(False, None, f"the {which} is not read as a matching loss: {why}")
    one, two = squares
    if (apart := _apart(one, two, algebra)) is not None:
        return Proof(False, None, apart)
    pairs = [(a, b) for r, q in zip(one.weights, two.weights, strict=True) for a, b in zip(r, q, strict=True)]
    ratio = next(a / b for a, b in pairs if not algebra.zero(b))
    if not all(algebra.zero(a - ratio * b) for a, b in pairs):
        return Proof(
            False,
            None,
            f"they weight the errors otherwise, {one.weights} and {two.weights}: no w(t) makes one the other",
        )
    if one.call.net is two.call.net and one.call.role == two.call.role and not _one_answer(one, two, ratio, algebra):
        return Proof(
            False,
            None,
            "both are errors in the same x_t, but they ask one network for different things: what is the least of the one is "
            "not the least of the other",
        )
    ratio = ratio**0 if algebra.zero(ratio - 1) else legible(tidy(ratio))
    if others := algebra.others(ratio):
        said = ", ".join(sorted(str(x) for x in others))
        return Proof(False, None, f"the first is {ratio} times the second, and {said} is no function of the time")
    constants = {str(x): algebra.reading.leaves[x] for x in algebra.constants(ratio)}
    weight = from_sympy(ratio, {**constants, "t": symbols("t", rank=0)})
    alike = _same(one.when, two.when)
    times = "" if alike else "; their times are drawn by other laws, and w does not count that"
    shown = [legible(w[0][0]) if len(w) == 1 else w for w in (one.weights, two.weights)]
    what = "errors of the noise" if len(one.leaves) == 2 else "errors of what is added to the data"
    return Proof(True, weight, f"both are {what} in the same x_t, of weights {shown[0]} and {shown[1]}{times}")


def _apart(one: Square, two: Square, algebra: Algebra) -> str | None:
    """What differs besides the weight."""
    if one.leaves[0] is not two.leaves[0]:
        return f"they are about other data, {show(one.leaves[0])} and {show(two.leaves[0])}"
    if len(one.given) != len(two.given) or not all(map(_same, one.given, two.given)):
        return f"they have other conditions, {', '.join(map(show, one.given))} and {', '.join(map(show, two.given))}"
    if len(one.leaves) != len(two.leaves):
        return f"they noise the data in other ways: x_t is made of {len(one.leaves)} parts and of {len(two.leaves)}"
    names = ("data", *("noise" if isinstance(x, n.Noise) else "start" for x in one.leaves[1:]))
    for name, a, b in zip(names, one.shares, two.shares, strict=True):
        if not algebra.zero(a - b):
            return f"they noise the data in other ways: the share of the {name} is {algebra.valued(a)} and {algebra.valued(b)}"
    for a, b in zip(one.leaves[1:], two.leaves[1:], strict=True):
        if not _same(a, b):
            return f"data and noise are paired in other ways: {show(a)} and {show(b)}"
    return None


def _one_answer(one: Square, two: Square, ratio: Any, algebra: Algebra) -> bool:
    """Whether two losses, of which the first is so many times the second, ask their networks for the same."""
    first, second = one.answers(), two.answers()
    return len(first) == len(second) and all(
        algebra.zero(a - ratio * b) for r, q in zip(first, second, strict=True) for a, b in zip(r, q, strict=True)
    )


def _same(one: Expr, two: Expr) -> bool:
    """Whether two formulas are one but for which draw of a law they hold."""
    return one is two or transform(one, _anonymous) is transform(two, _anonymous)


def _one_formula(one: Expr, two: Expr) -> bool:
    """Whether two formulas are one when their draws are numbered by where they stand."""
    found = []
    for loss in (one, two):
        seen: dict[Any, int] = {}

        def numbered(x: Expr, seen: dict[Any, int] = seen) -> Expr | None:
            if isinstance(x, n.Definition):
                return transform(x.body, numbered)
            if isinstance(x, n.Noise):
                return _noise(x, -1 - seen.setdefault(x.uid, len(seen)), numbered)
            return None

        found.append(transform(loss, numbered))
    return found[0] is found[1]


def _anonymous(x: Expr) -> Expr | None:
    """A node without what tells one draw from another of the same law."""
    if isinstance(x, n.Definition):
        return transform(x.body, _anonymous)
    if isinstance(x, n.Noise):
        return _noise(x, -1, _anonymous)
    return n.Number(float(x.value), x.letter) if isinstance(x, n.Number) else None


def _noise(x: n.Noise, uid: int, changed: Callable[[Expr], Expr | None]) -> Expr:
    return n.Noise(uid, x.law, None if x.like is None else transform(x.like, changed), x.extra, x.options)

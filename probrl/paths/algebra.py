"""Algebra that is cheap: a formula as a quotient of polynomials in what it is made of, cancelled.

sympy's own simplifiers search; on a schedule with named constants they take seconds. Here the sines, exponentials and
roots become letters first, so that one cancellation does it.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import sympy

from probrl.paths.time import t

_LARGE = 120  # operations: beyond, cancelling costs more than it gives


def tidy(formula: Any) -> Any:
    """The formula itself, or a shorter one that equals it."""
    if formula.is_number or sympy.count_ops(formula) > _LARGE or formula.has(sympy.Min, sympy.Max, sympy.Piecewise):
        return formula
    abstract, back, relations = _abstracted(_angles(formula))
    found = sympy.cancel(abstract)
    if relations:
        above, below = sympy.fraction(sympy.together(found))
        found = sympy.cancel(_reduced(above, relations) / _reduced(below, relations))
    found = _collected(found).xreplace(back).xreplace(back)
    return _positive_below(min((formula, _tangents(found)), key=sympy.count_ops))


def _positive_below(x: Any) -> Any:
    """A quotient with a denominator that is positive before t = 1, where that is plain: 1 / (1 - t), not -1 / (t - 1)."""
    above, below = sympy.fraction(x)
    if below.is_polynomial(t) and below.free_symbols == {t} and below.subs(t, sympy.Rational(1, 3)) < 0:
        return sympy.Mul(-above, sympy.Pow(sympy.Add(*(-y for y in sympy.Add.make_args(sympy.expand(below)))), -1))
    return x


def _angles(x: Any) -> Any:
    """Tangents by sines and cosines."""
    tangents = {y: sympy.sin(y.args[0]) / sympy.cos(y.args[0]) for y in x.atoms(sympy.tan)}
    return x.xreplace({**tangents, **{y: sympy.cos(y.args[0]) / sympy.sin(y.args[0]) for y in x.atoms(sympy.cot)}})


def _tangents(x: Any) -> Any:
    """A quotient of a sine and a cosine as the tangent."""
    for angle in {y.args[0] for y in x.atoms(sympy.sin)}:
        shorter = x.subs(sympy.sin(angle) / sympy.cos(angle), sympy.tan(angle))
        x = min((x, shorter), key=sympy.count_ops)
    return x


def _collected(x: Any) -> Any:
    """A polynomial by powers of t, a quotient factored."""
    if x.is_polynomial(t):
        return min((sympy.collect(sympy.expand(x), t), sympy.factor_terms(x)), key=sympy.count_ops)
    return min((x, sympy.factor(x)), key=sympy.count_ops)


def _abstracted(x: Any) -> tuple[Any, dict[Any, Any], list[tuple[Any, int, Any]]]:
    """The formula over letters for what is not rational in it, what they stand for, and how their powers reduce."""
    back: dict[Any, Any] = {}
    forth: dict[Any, Any] = {}
    relations: list[tuple[Any, int, Any]] = []
    for angle in dict.fromkeys(y.args[0] for y in sorted(x.atoms(sympy.sin, sympy.cos), key=str)):
        sine, cosine = sympy.symbols(f"_s{len(back)} _c{len(back)}", real=True)
        forth |= {sympy.sin(angle): sine, sympy.cos(angle): cosine}
        back |= {sine: sympy.sin(angle), cosine: sympy.cos(angle)}
        relations.append((sine, 2, 1 - cosine**2))
    x = x.xreplace(forth)
    bases: list[tuple[Any, Any]] = []
    for power in sorted(x.atoms(sympy.exp), key=lambda y: (sympy.count_ops(y), str(y))):
        x = x.xreplace({power: _as_power(power.args[0], bases, back)})
    roots = [y for y in x.atoms(sympy.Pow) if y.exp.is_Rational and not y.exp.is_Integer]
    for root in sorted(roots, key=sympy.count_ops):
        letter = next((k for k, n, base in relations if n == root.exp.q and base == root.base), None)
        if letter is None:
            letter = sympy.Symbol(f"_r{len(back)}", positive=True)
            back[letter] = root.base.xreplace(back) ** sympy.Rational(1, root.exp.q)
            relations.append((letter, int(root.exp.q), root.base))
        x = x.xreplace({root: letter**root.exp.p})
    return x, back, relations


def _as_power(exponent: Any, bases: list[tuple[Any, Any]], back: dict[Any, Any]) -> Any:
    """An exponential as a power of the letter for one whose exponent is a multiple of it."""
    for base, letter in bases:
        ratio = sympy.cancel(exponent / base)
        if ratio.is_Integer:
            return letter**ratio
    letter = sympy.Symbol(f"_e{len(back)}", positive=True)
    bases.append((exponent, letter))
    back[letter] = sympy.exp(exponent)
    return letter


def _reduced(x: Any, relations: list[tuple[Any, int, Any]]) -> Any:
    """A polynomial with every power of a root that is no root any more replaced."""

    def by(polynomial: Any, relation: tuple[Any, int, Any]) -> Any:
        letter, n, value = relation
        if not polynomial.has(letter):
            return polynomial
        terms = sympy.Poly(polynomial, letter).all_terms()
        return sum((c * letter ** (k % n) * value ** (k // n) for (k,), c in terms), sympy.Integer(0))

    return sympy.expand(reduce(by, reversed(relations), sympy.expand(x)))

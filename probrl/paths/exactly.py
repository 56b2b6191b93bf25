"""Formulas in exact numbers, and their values in many digits: what comparing two of them takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from probrl.paths.time import t

DIGITS = 40
_LONG = 10**6  # beyond, a fraction is no number that somebody wrote
_CASES = (sympy.Min, sympy.Max, sympy.Piecewise, sympy.Abs, sympy.floor, sympy.sign)
_FEW = (0.137, 0.31, 0.59, 0.83)
_MANY = (*(10.0**-k for k in range(2, 7)), *(k / 64 for k in range(1, 64)), *(1 - 10.0**-k for k in range(2, 7)))


def exact(formula: Any) -> Any:
    """The same with fractions for decimal numbers, as they are written."""
    return sympy.nsimplify(formula, rational=True)


def fraction(value: float) -> Any:
    """A number as the fraction that it is written as."""
    return sympy.Rational(repr(float(value)))


def legible(formula: Any) -> Any:
    """A formula whose long fractions are decimal numbers."""
    return formula.xreplace({x: sympy.Float(x, 17) for x in formula.atoms(sympy.Rational) if x.q > _LONG})


def unknowns(formula: Any) -> set[Any]:
    """The symbols of a formula but for the time, and its undefined functions."""
    return {*formula.free_symbols, *formula.atoms(AppliedUndef)} - {t}


def value(formula: Any, at: float, values: Mapping[Any, Any], others: Iterable[Any] = ()) -> Any:
    """The value at a time, in many digits; what has no value counts as some number."""
    some = {x: sympy.Rational(3 + i, 10) for i, x in enumerate(others)}
    return formula.xreplace({**some, **values}).xreplace({t: fraction(at)}).evalf(DIGITS)


def vanishes(formula: Any, values: Mapping[Any, Any], others: Iterable[Any] = ()) -> bool:
    """Whether a formula is 0 in many digits: at a few times, or at many where it is made of cases."""
    times = _MANY if formula.has(*_CASES) else _FEW
    return all(abs(value(formula, at, values, others)) < 10.0 ** (5 - DIGITS) for at in times)

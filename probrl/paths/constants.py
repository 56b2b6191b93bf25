"""The symbols of a path's formulas: time, and constants whose values the user gives by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import sympy

from probrl.errors import ExpressionError
from probrl.paths.time import t


def of_the_formulas(
    formulas: Mapping[str, Any], constants: Mapping[str, float], whole: bool = True
) -> tuple[dict[str, Any], tuple[tuple[str, float], ...], dict[Any, float]]:
    """The formulas over symbols of known sign, the constants in order, and their values by symbol.

    Decimal numbers become exact fractions, so that algebra cancels them; ``whole`` refuses constants that no formula
    has.

    Errors:
        ExpressionError: for what is no formula, for a symbol without a value and for a value without a symbol.
    """
    given = {name: _formula(name, x) for name, x in formulas.items()}
    used = {s.name: s for x in given.values() for s in x.free_symbols if s.name != "t"}
    for name in sorted(used):
        if name not in constants:
            raise ExpressionError(
                f"the symbol {name} has no value: formulas of a path are of pr.paths.t (0 is data, 1 is noise) and of constants, "
                f"as in GaussianPath(alpha, sigma, {name}=1.0)"
            )
    for name, value in constants.items():
        if whole and name not in used:
            raise ExpressionError(
                f"no formula has a symbol {name}: pr.paths.GaussianPath(..., {name}={value!r}) gives it a value"
            )
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise ExpressionError(f"{name}={value!r}: a constant of a path is a finite number")
    symbols = {name: _symbol(name, float(constants[name])) for name in constants}
    exact = {name: _exact(x, symbols) for name, x in given.items()}
    values = {symbols[name]: float(value) for name, value in constants.items()}
    return exact, tuple((name, float(value)) for name, value in constants.items()), values


def _formula(name: str, x: Any) -> Any:
    try:
        found = sympy.sympify(x)
    except (sympy.SympifyError, TypeError, AttributeError, ValueError):
        found = None
    if isinstance(x, str) or not isinstance(found, sympy.Expr):
        raise ExpressionError(f"{name}={x!r} is not a sympy formula: write it with pr.paths.t and sympy's functions")
    return found


def _symbol(name: str, value: float) -> Any:
    sign = {"positive": True} if value > 0 else {"negative": True} if value < 0 else {}
    return sympy.Symbol(name, real=True, **sign)


def _exact(x: Any, symbols: Mapping[str, Any]) -> Any:
    own = {s: t if s.name == "t" else symbols[s.name] for s in x.free_symbols}
    return sympy.nsimplify(x.xreplace(own), rational=True)

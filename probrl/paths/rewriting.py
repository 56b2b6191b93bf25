"""Which of several equal formulas to run: finite where the limit is, exact near the ends, and short.

``sqrt(1 - a^2)`` has an infinite slope at 0 and ``tan`` has a pole at 1; a product of the two may be 0 times infinity
in numbers and 1 on paper. Nobody should find the right rewriting by hand: candidates are made by algebra, and judged by
running them in double precision against 60 digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import mpmath
import numpy as np
import sympy

from probrl.paths.time import t

A, S = sympy.symbols("_A _S", positive=True)  # alpha, sigma
DA, DS, F, G = sympy.symbols("_DA _DS _F _G", real=True)  # their slopes, the drift and the squared diffusion
LETTERS = (A, S, DA, DS, F, G)
INSIDE = (1e-7, 1e-5, 1e-3, 0.04, 0.25, 0.5, 0.8, 0.97, 0.999, 1 - 1e-5, 1 - 1e-7)
_NEAR = ("1e-12", "1e-18", "1e-24")  # distances from an end at which a limit is read off
_DIGITS = 60
_EXACT = 1e-8


class Judge:
    """Runs formulas of one path, over t and over the letters of this module.

    Args:
        alpha, sigma: the two formulas, of t and of the constants.
        values: what the constants are.
    """

    def __init__(self, alpha: Any, sigma: Any, values: Mapping[Any, float]):
        self.values = {k: sympy.Rational(str(v)) for k, v in values.items()}
        self.given = alpha, sigma
        self.formulas: dict[Any, Any] = {}  # of each letter, the formula that is run
        self._limits: dict[Any, tuple[Any, Any]] = {}

    def best(self, reference: Any, candidates: Iterable[Any]) -> Any:
        """The candidate to run, made whole at an end at which it has no value in numbers but a limit.

        Args:
            reference: what all equal, over A, S, DA, DS and t.
            candidates: formulas over t and the letters, the preferred ones first.
        """
        ends = self.limits(reference)
        kept = []
        for i, formula in enumerate(candidates):
            error, holes = self._read(formula, reference, ends)
            if error <= _EXACT and not holes:
                return formula
            kept.append((error > 1e-6, len(holes), error > _EXACT, i, formula, holes))
        *_, formula, holes = min(kept, key=lambda k: k[:4])
        return (
            sympy.Piecewise(*((limit, sympy.Eq(t, end)) for end, limit in holes), (formula, True)) if holes else formula
        )

    def limits(self, reference: Any) -> tuple[Any, Any]:
        """What a formula over A, S, DA, DS and t tends to at 0 and at 1; None where it grows beyond every bound."""
        if reference not in self._limits:
            run = sympy.lambdify((t, A, S, DA, DS), reference.xreplace(self.values), "mpmath")
            self._limits[reference] = tuple(_limit(run, points) for points in self._ends)
        return self._limits[reference]

    def _read(self, formula: Any, reference: Any, ends: tuple[Any, Any]) -> tuple[float, list[tuple[int, Any]]]:
        """The largest relative error inside, and the ends at which it has no value where it has a limit."""
        run = sympy.lambdify((t, A, S, DA, DS), reference.xreplace(self.values), "mpmath")
        with mpmath.workdps(_DIGITS):
            truth = [run(*point) for point in self._inside]
        found = self._run(formula)
        error = max(_distance(x, y) for x, y in zip(found[:-2], truth, strict=True))
        holes = [
            (end, _closed(limit))
            for end, limit, value in zip((0, 1), ends, found[-2:], strict=True)
            if limit is not None and not abs(value - float(limit)) <= 1e-6 * (1 + abs(float(limit)))
        ]
        return error, holes

    def _run(self, formula: Any) -> list[float]:
        """The formula in double precision, inside and at both ends; its letters are run by their own formulas."""
        used = [x for x in LETTERS if formula.has(x)]
        columns = [[*self._run(self.formulas[x])[:-2], *self._at_ends(x)] for x in used]
        formula = formula.xreplace(self.values)
        run = sympy.lambdify((t, *used), formula, "numpy")
        with np.errstate(all="ignore"):
            found = [_double(run, x, *row) for x, *row in zip((*INSIDE, 0.0, 1.0), *columns, strict=True)]
        if not used:  # a root may come out as 1e-9 for 0 in numbers, on one machine and not on another
            found[-2:] = [
                x if _is_finite(formula, end) else float("nan") for x, end in zip(found[-2:], (0, 1), strict=True)
            ]
        return found

    def _at_ends(self, letter: Any) -> list[float]:
        """What a letter tends to, infinite where it has no limit."""
        reference = {F: DA / A, G: 2 * S * DS - 2 * DA / A * S**2}.get(letter, letter)
        return [float("inf") if x is None else float(x) * (abs(x) > 1e-9) for x in self.limits(reference)]

    # --- the digits --------------------------------------------------------------------------------------------
    @cached_property
    def _exact(self) -> Any:
        alpha, sigma = (x.xreplace(self.values) for x in self.given)
        return sympy.lambdify(t, (t, alpha, sigma, alpha.diff(t), sigma.diff(t)), "mpmath")

    @cached_property
    def _inside(self) -> list[Any]:
        with mpmath.workdps(_DIGITS):
            return [self._exact(mpmath.mpf(x)) for x in INSIDE]

    @cached_property
    def _ends(self) -> tuple[list[Any], list[Any]]:
        with mpmath.workdps(_DIGITS):
            near = [mpmath.mpf(x) for x in _NEAR]
            return [self._exact(x) for x in near], [self._exact(1 - x) for x in near]


def _is_finite(formula: Any, end: int) -> bool:
    try:
        return bool(formula.subs(t, end).is_finite)
    except ValueError:  # the lesser of something and a pole
        return False


def _limit(run: Any, points: list[Any]) -> Any:
    with mpmath.workdps(_DIGITS):
        first, second, third = (run(*x) for x in points)
        settles = abs(third - second) <= 0.5 * abs(second - first) + mpmath.mpf("1e-30")
        return third if settles and abs(third - second) <= 1e-6 * (1 + abs(third)) else None


def _double(run: Any, *arguments: float) -> float:
    try:
        found = run(*map(np.float64, arguments))
        return float("nan") if isinstance(found, complex) else float(found)
    except (ZeroDivisionError, TypeError, OverflowError):
        return float("nan")


def _distance(found: float, truth: Any) -> float:
    if not np.isfinite(found):
        return float("inf")
    return float(abs(found - truth) / abs(truth)) if truth else abs(found)


def _closed(limit: Any) -> Any:
    """A limit as an exact number where it is a simple one."""
    if abs(limit) < mpmath.mpf("1e-9"):
        return sympy.Integer(0)
    simple = sympy.nsimplify(sympy.Float(limit, 16), [sympy.pi], tolerance=1e-9)
    return simple if sympy.count_ops(simple) <= 4 else sympy.Float(float(limit))

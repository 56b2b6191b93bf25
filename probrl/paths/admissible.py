"""Which pairs of formulas are a path from data to noise; the others are refused with the reason, when they are built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from probrl.errors import ExpressionError
from probrl.paths.time import t

_STEPS, _HALVINGS = 512, 36
_JUMP = 1e-4  # of the largest value; what grows like a root shrinks to less in so many halvings
_REST = "t = 0 is data and t = 1 is noise"


def refuse_unless_a_path(alpha: Any, sigma: Any, values: Mapping[Any, float]) -> None:
    """Refuses what is no path.

    Errors:
        ExpressionError: when a formula is undefined, complex or negative inside, when it jumps, when no data
            is left at 0 or no noise comes at 1, or when the signal-to-noise ratio does not decrease; the message says where.
    """
    times = np.concatenate([[0.0, 1e-6], np.arange(1, _STEPS) / _STEPS, [1 - 1e-6, 1.0]])
    found = {name: _values(name, x, times, values) for name, x in (("alpha", alpha), ("sigma", sigma))}
    for name, row in found.items():
        _each(name, row, times)
    a, s = found["alpha"], found["sigma"]
    if s[0] > s[-1] and a[0] < a[-1]:
        raise ExpressionError(
            f"sigma(0) = {s[0]:.4g} is above sigma(1) = {s[-1]:.4g} and alpha grows: this path runs from noise to data; "
            f"{_REST}: put 1 - t for t in both formulas"
        )
    if not a[0] > 0:
        raise ExpressionError(f"alpha(0) = {a[0]:.4g}: nothing of the data is left at its own end; {_REST}")
    if not s[-1] > 0:
        raise ExpressionError(f"sigma(1) = {s[-1]:.4g}: there is no noise at the end of the noise; {_REST}")
    if s[0] > s[-1]:
        raise ExpressionError(f"sigma(0) = {s[0]:.4g} is above sigma(1) = {s[-1]:.4g}; {_REST}, so sigma has to grow")
    _decreasing(a, s, times)
    for name, formula in (("alpha", alpha), ("sigma", sigma)):
        _without_jumps(name, formula, found[name], times, values)


def _values(name: str, formula: Any, times: np.ndarray, values: Mapping[Any, float]) -> np.ndarray:
    run = sympy.lambdify(t, formula.xreplace({k: sympy.Float(v, 17) for k, v in values.items()}), "numpy")
    with np.errstate(all="ignore"):
        try:
            found = np.broadcast_to(np.asarray(run(times.astype(complex))), times.shape)
        except (TypeError, AttributeError, ZeroDivisionError) as error:
            raise ExpressionError(f"{name} = {formula} cannot be computed in numbers: {error}") from None
    real = np.abs(found.imag) <= 1e-9 * (1 + np.abs(found.real))
    return np.where(real, found.real, np.nan)


def _each(name: str, row: np.ndarray, times: np.ndarray) -> None:
    inside = slice(1, -1)
    for fault, what in (
        (~np.isfinite(row), "is not a finite real number"),
        (row < 0, "is negative"),
        (row == 0, "is zero"),
    ):
        where = times[inside][fault[inside]]
        if where.size:
            raise ExpressionError(
                f"{name} {what} at t = {where[0]:.4g}, inside (0, 1), where a path needs a positive number"
            )
    for end, value in ((0, row[0]), (1, row[-1])):
        if not np.isfinite(value):
            raise ExpressionError(f"{name} is not a finite real number at t = {end}")
        if value < -1e-12:
            raise ExpressionError(f"{name}({end}) = {value:.4g} is negative")


def _without_jumps(name: str, formula: Any, row: np.ndarray, times: np.ndarray, values: Mapping[Any, float]) -> None:
    """Where a formula is made of cases: a step that does not shrink with the distance is one that no velocity crosses."""
    if not formula.has(sympy.Piecewise, sympy.sign, sympy.Heaviside):
        return
    i = int(np.abs(np.diff(row)).argmax())
    low, high = times[i], times[i + 1]
    for _ in range(_HALVINGS):
        points = np.array([low, (low + high) / 2, high])
        at = _values(name, formula, points, values)
        low, high = points[:2] if abs(at[1] - at[0]) > abs(at[2] - at[1]) else points[1:]
        step = max(abs(at[1] - at[0]), abs(at[2] - at[1]))
    if step > _JUMP * np.abs(row).max():
        raise ExpressionError(f"{name} jumps at t = {high:.4g}, by {step:.4g}: a path is continuous")


def _decreasing(a: np.ndarray, s: np.ndarray, times: np.ndarray) -> None:
    with np.errstate(divide="ignore"):
        ratio = np.log(np.maximum(a, 0)) - np.log(np.maximum(s, 0))
    bad = np.flatnonzero(~(np.diff(ratio) < 0))
    if bad.size:
        i = int(bad[0])
        raise ExpressionError(
            f"the signal-to-noise ratio does not decrease between t = {times[i]:.4g} and t = {times[i + 1]:.4g} "
            f"(ln(alpha/sigma) goes from {ratio[i]:.6g} to {ratio[i + 1]:.6g}): noise may only be added on the way from 0 to 1"
        )

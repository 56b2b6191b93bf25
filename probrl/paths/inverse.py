"""The time at which a path has a given log-SNR: in closed form where sympy finds one, else by bisection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np
import sympy
import torch
from torch import Tensor

from probrl.paths.algebra import tidy
from probrl.paths.derived import Derivation
from probrl.paths.rewriting import INSIDE
from probrl.paths.time import t

ell = sympy.Symbol("ell", real=True)
_LARGE = 60  # operations: beyond, an equation is not given to sympy
_EXACT = 1e-8


def closed(derivation: Derivation) -> Any | None:
    """t as a formula of l = ln(alpha / sigma), or None when none is found that is exact in double precision."""
    for formula in _solutions(derivation):
        if _inverts(formula, derivation):
            return formula
    return None


def _solutions(derivation: Derivation) -> Iterator[Any]:
    alpha, sigma = derivation.alpha, derivation.sigma
    log_snr = derivation("half_log_snr")
    if log_snr.is_polynomial(t):
        yield from _solved(log_snr - ell, ell)
    elif tidy(alpha**2 + sigma**2) == 1:  # alpha = 1 / sqrt(1 + exp(-2 l))
        half = sympy.Symbol("half", positive=True)  # -ln alpha
        logarithm = sympy.expand_log(sympy.log(alpha), force=True)
        equation = logarithm + half if logarithm.is_polynomial(t) else alpha - sympy.exp(-half)
        for found in _solved(equation, half):
            yield found.subs(half, sympy.log(1 + sympy.exp(-2 * ell)) / 2)
    ratio = tidy(sigma / alpha)
    if ratio.is_rational_function(t) or ratio.has(sympy.tan):
        yield from _solved(ratio - sympy.exp(-ell), ell)
    elif log_snr.has(t):
        yield from _solved(log_snr - ell, ell)


def _solved(equation: Any, given: Any) -> Iterator[Any]:
    """The solutions for t of an equation that is short and has t in one kind of function."""
    x = sympy.Dummy("x", real=True)
    kinds = {type(a) for a in equation.atoms(sympy.Function) if a.has(t)}
    above = sympy.fraction(sympy.together(equation))[0]
    if sympy.count_ops(equation) > _LARGE or len(kinds) > 1 or (above.is_polynomial(t) and sympy.degree(above, t) > 2):
        return  # sympy would search for long
    try:
        found = sympy.solve(equation.subs(t, x), x)
    except (NotImplementedError, ValueError, TypeError, RecursionError):  # the last where sympy goes round in circles
        return
    for formula in found if isinstance(found, list) else []:
        yield from (min((y, sympy.expand(y)), key=sympy.count_ops) for y in _rationalised(formula, given))


def _rationalised(formula: Any, given: Any) -> Iterator[Any]:
    """A root of a quadratic without the difference of two nearly equal numbers, then as it is."""
    above, below = sympy.fraction(sympy.together(formula))
    roots = [x for x in above.atoms(sympy.Pow) if x.exp == sympy.Rational(1, 2) and x.has(given)]
    if len(roots) == 1:
        (root,) = roots
        rest = above.subs(root, 0)
        factor = sympy.cancel((above - rest) / root)
        if not factor.has(root) and rest != 0:
            product = sympy.cancel(sympy.expand(rest**2 - factor**2 * root.base) / below)
            bottom = rest - factor * root
            sign = -1 if bottom.could_extract_minus_sign() else 1
            yield sympy.factor_terms(sign * product) / (sign * bottom)
    yield formula


def _inverts(formula: Any, derivation: Derivation) -> bool:
    """Whether it gives back the time, to the precision of doubles, all along the path."""
    if not formula.free_symbols <= {ell, *derivation.judge.values}:
        return False
    log_snr = sympy.lambdify(
        t, sympy.log(derivation.alpha / derivation.sigma).xreplace(derivation.judge.values), "mpmath"
    )
    run = sympy.lambdify(ell, formula.xreplace(derivation.judge.values), "numpy")
    with mpmath.workdps(40), np.errstate(all="ignore"):
        for at in INSIDE:
            try:
                found = run(np.float64(float(log_snr(mpmath.mpf(at)))))
            except (TypeError, ZeroDivisionError):
                return False
            if isinstance(found, complex) or not abs(found - at) <= _EXACT * at * max(1.0, _steepness(at)):
                return False
    return True


def _steepness(at: float) -> float:
    # l is known to 16 digits; near 1 many paths have l -> -infinity slowly, near 0 t = O(sigma^2)
    return 1.0 if at > 1e-6 else 10.0


def bisected(log_snr: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor], target: Tensor) -> Tensor:
    """Times at which a decreasing function has given values, in the type of the values.

    Args:
        log_snr: the function, of tensors in double precision.
        slope: its derivative, through which the gradient passes.
        target: the values; one that is out of reach gives the end that is nearer.
    """
    wide = target.double()
    with torch.no_grad():
        low, high = torch.zeros_like(wide), torch.ones_like(wide)
        for _ in range(64):
            middle = (low + high) / 2
            later = log_snr(middle) > wide
            low, high = torch.where(later, middle, low), torch.where(later, high, middle)
        found = (low + high) / 2
        rate = slope(found)
    if torch.is_grad_enabled() and wide.requires_grad:
        found = found + (wide - wide.detach()) / rate
    return found.to(target.dtype if target.is_floating_point() else torch.get_default_dtype())

"""What follows from alpha and sigma alone: slopes, drift, diffusion, log-SNR, predictions and their conversions.

Every prediction is a row over the basis (data, noise). With ``x_t`` it makes two equations in two unknowns, so a
conversion is one 2x2 solve; it is done once, on letters, for all paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import sympy

from probrl.paths.algebra import tidy
from probrl.paths.rewriting import DA, DS, LETTERS, A, F, G, Judge, S
from probrl.paths.time import t

PREDICTIONS = ("score", "noise", "data", "velocity", "F")
ONE, ZERO = sympy.Integer(1), sympy.Integer(0)
D, Q = sympy.symbols("_D _Q", positive=True)  # sigma_data, and the root of S^2 + (A D)^2
ROWS: dict[str, tuple[Any, Any]] = {
    "data": (ONE, ZERO),
    "noise": (ZERO, ONE),
    "score": (ZERO, -1 / S),
    "velocity": (DA, DS),
    "F": (S / (D * Q), -A * D / Q),
}


@lru_cache(maxsize=64)
def solved(source: str, target: str) -> tuple[Any, Any]:
    """The coefficients of x_t and of the source's prediction in the target's, over letters."""
    (p, q), (a, b) = ROWS[source], ROWS[target]
    determinant = -Q / D if source == "F" else A * q - S * p
    solution = (a * q - b * p) / determinant, (b * A - a * S) / determinant
    square = S**2 + (A * D) ** 2
    first, second = (sympy.factor(sympy.expand(sympy.together(x).subs(square, Q**2))) for x in solution)
    return first, second


class Derivation:
    """The formulas of a path over t and the letters A, S, DA, DS, F, G; each is derived when first asked for.

    Args:
        alpha, sigma: formulas of t and of the constants.
        values: what the constants are.
        sigma_data: the standard deviation of data that EDM's preconditioning assumes.
    """

    def __init__(self, alpha: Any, sigma: Any, values: Mapping[Any, float], sigma_data: Any):
        self.alpha, self.sigma, self.sigma_data = alpha, sigma, sigma_data
        self.judge = Judge(alpha, sigma, values)
        self.judge.formulas.update({A: alpha, S: sigma})
        self._found: dict[Any, Any] = {}

    def __call__(self, name: str) -> Any:
        """The formula of "alpha", "alpha_dot", "drift", "diffusion", "half_log_snr" ..."""
        if name not in self._found:
            self._found[name] = getattr(self, f"_{name}")()
        return self._found[name]

    def letter(self, letter: Any) -> Any:
        """The formula over t that a letter stands for."""
        if letter not in self.judge.formulas:
            self.judge.formulas[letter] = self({DA: "alpha_dot", DS: "sigma_dot", F: "drift", G: "diffusion"}[letter])
        return self.judge.formulas[letter]

    # --- slopes and the process --------------------------------------------------------------------------------
    def _alpha(self) -> Any:
        return self.alpha

    def _sigma(self) -> Any:
        return self.sigma

    def _alpha_dot(self) -> Any:
        return self._best(DA, tidy(self.alpha.diff(t)), self.alpha.diff(t))

    def _sigma_dot(self) -> Any:
        by_square = lambda: self("half_variance_dot") / self.sigma  # noqa: E731 - only if the others fail
        return self._best(DS, tidy(self.sigma.diff(t)), self.sigma.diff(t), by_square)

    def _half_variance_dot(self) -> Any:
        return tidy((self.sigma**2).diff(t) / 2)

    def _drift(self) -> Any:
        logarithm = sympy.expand_log(sympy.log(self.alpha), force=True)
        return self._best(DA / A, tidy(logarithm.diff(t)), self.alpha.diff(t) / self.alpha)

    def _diffusion(self) -> Any:
        square = self.sigma**2
        plain = 2 * self("half_variance_dot") - 2 * self("drift") * square
        by_ratio = -2 * square * tidy(self("half_log_snr").diff(t))
        forms = sorted((tidy(plain), plain, tidy(by_ratio), by_ratio), key=sympy.count_ops)
        return self._best(2 * S * DS - 2 * DA / A * S**2, *forms)

    def _half_log_snr(self) -> Any:
        alpha, sigma = sympy.log(self.alpha), sympy.log(self.sigma)
        forced = [sympy.expand_log(x, force=True) for x in (alpha, sigma)]
        halved = forced[0] - sympy.log(self.sigma**2) / 2
        squared = sympy.expand_log(sympy.log(tidy(self.alpha**2 / self.sigma**2)), force=True) / 2
        forms = sorted((forced[0] - forced[1], halved, squared), key=sympy.count_ops)
        return self._best(sympy.log(A / S), *forms, alpha - sigma)

    def _half_log_snr_dot(self) -> Any:
        return self._best(DA / A - DS / S, -G / (2 * S**2), F - DS / S, lambda: tidy(self("half_log_snr").diff(t)))

    # --- predictions -------------------------------------------------------------------------------------------
    def row(self, prediction: str) -> tuple[Any, Any]:
        """A prediction over the basis (data, noise)."""
        p, q = ROWS[prediction]
        return self._chosen(p), self._chosen(q)

    def conversion(self, source: str, target: str) -> tuple[Any, Any]:
        """The coefficients of x_t and of the source's prediction in the target's."""
        if source == target:
            return ZERO, ONE
        a, b = solved(source, target)
        return self._chosen(a), self._chosen(b)

    def weight(self, kind: str, over: str) -> Any:
        """w(t) over a squared error of one prediction: what makes it that of another, or a likelihood's bound."""
        if kind == over:
            return ONE
        if kind in ROWS:
            return self._chosen(sympy.factor(solved(over, kind)[1] ** 2))
        of_noise = {"likelihood": -2 * (DA / A - DS / S), "min_snr": sympy.Min(1, 5 * S**2 / A**2)}[kind]
        return self._chosen(of_noise if over == "noise" else of_noise * solved(over, "noise")[1] ** 2)

    def reverse_noise(self) -> Any:
        """The squared noise that a sampler adds by default: g^2, or g^2 alpha / (alpha + sigma) where that is infinite at 1."""
        if self.judge.limits(2 * S * DS - 2 * DA / A * S**2)[1] is not None:
            return G
        return self._chosen(2 * S * (A * DS - S * DA) / (A + S))

    def finite(self, source: str, target: str) -> tuple[bool, bool]:
        """Whether both coefficients of a conversion have a limit at 0, and at 1."""
        found = [
            self.judge.limits(self._with_roots(c))
            for c in ((ZERO, ONE) if source == target else solved(source, target))
        ]
        return all(c[0] is not None for c in found), all(c[1] is not None for c in found)

    # --- choosing ----------------------------------------------------------------------------------------------
    def _with_roots(self, over_letters: Any) -> Any:
        return over_letters.xreplace({Q: sympy.sqrt(S**2 + self.sigma_data**2 * A**2)}).xreplace({D: self.sigma_data})

    def _best(self, reference: Any, *candidates: Any) -> Any:
        def made() -> Iterator[Any]:
            for x in candidates:
                formula = x() if callable(x) and not isinstance(x, sympy.Basic) else x
                for letter in LETTERS:
                    if formula.has(letter):
                        self.letter(letter)
                yield formula

        return self.judge.best(reference, made())

    def _chosen(self, over_letters: Any) -> Any:
        if over_letters.is_number:
            return over_letters
        key = ("chosen", over_letters)
        if key not in self._found:
            by_rates = self._with_roots(over_letters)
            candidates = [by_rates]
            if over_letters.has(DA, DS) and not over_letters.has(sympy.Min):
                by_process = over_letters.subs({DA: A * F, DS: (G + 2 * F * S**2) / (2 * S)}, simultaneous=True)
                by_process = self._with_roots(sympy.factor(by_process))
                candidates = sorted([by_rates, by_process], key=sympy.count_ops)
            self._found[key] = self._best(by_rates, *candidates, lambda: tidy(self._over_time(by_rates)))
        return self._found[key]

    def _over_time(self, formula: Any) -> Any:
        return formula.xreplace({x: self.letter(x) for x in LETTERS if formula.has(x)})

"""A Gaussian path: two formulas, and everything that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property, partial
from typing import Any

import sympy
from torch import Tensor

from probrl.errors import ExpressionError
from probrl.paths.admissible import refuse_unless_a_path
from probrl.paths.constants import of_the_formulas
from probrl.paths.derived import PREDICTIONS, Derivation
from probrl.paths.inverse import bisected, closed
from probrl.paths.page import Readable
from probrl.paths.quantity import Formula, Quantity, beforehand
from probrl.paths.rewriting import DA, DS, LETTERS, A, F, G, S

LETTER_NAMES = {A: "alpha", S: "sigma", DA: "alpha_dot", DS: "sigma_dot", F: "drift", G: "diffusion"}
NAMES = {
    "alpha": "alpha",
    "sigma": "sigma",
    "alpha_dot": r"\alpha'",
    "sigma_dot": r"\sigma'",
    "drift": "f",
    "diffusion": "g^{2}",
    "half_log_snr": r"\ell",
    "half_log_snr_dot": r"\ell'",
}
SHORT = {"score": "s", "noise": r"\epsilon", "data": "x", "velocity": "v", "F": "F"}
WEIGHTS = (*PREDICTIONS, "likelihood", "min_snr")


class GaussianPath(Readable):
    r"""``x_t = alpha(t) x_0 + sigma(t) eps`` with t = 0 data and t = 1 noise.

    Every function of time below takes an expression (and prints as its letter), a tensor of any shape (its value,
    computed in double precision and cast) or a number.

    Args:
        alpha, sigma: sympy formulas in ``pr.paths.t`` and constants.
        sigma_data: the standard deviation of data that EDM's preconditioning, the prediction "F", assumes.
        constants: the values of the other symbols in the formulas, by name; they print as their letters.

    Errors:
        ExpressionError for formulas that are no path: undefined or negative inside, with a jump, sigma(0) above sigma(1), a
        signal-to-noise ratio that does not decrease, a symbol without a value.

    Source:
        Kingma et al., "Variational diffusion models", 2021; Lipman et al., "Flow matching", 2023; Karras et al.,
        "Elucidating the design space of diffusion-based generative models", 2022, for F.

    Example:
        >>> import sympy, probrl as pr
        >>> t = pr.paths.t
        >>> path = pr.paths.GaussianPath(alpha=1 - t, sigma=t)
        >>> path.drift(0.5), path.half_log_snr(0.5), path.time_of(0.0)
        (-2.0, 0.0, 0.5)
    """

    def __init__(self, alpha: Any, sigma: Any, *, sigma_data: float = 0.5, **constants: float):
        if not sigma_data > 0:
            raise ExpressionError(f"sigma_data={sigma_data!r}: the standard deviation of the data is positive")
        formulas, self.constants, values = of_the_formulas({"alpha": alpha, "sigma": sigma}, constants)
        refuse_unless_a_path(formulas["alpha"], formulas["sigma"], values)
        self.sigma_data = sigma_data
        self.derivation = Derivation(formulas["alpha"], formulas["sigma"], values, sympy.Rational(str(sigma_data)))
        self._kept: dict[tuple[Any, ...], str] = {}
        self._quantities: dict[Any, Quantity] = {}
        self._pairs: dict[tuple[str, str], tuple[Any, Any]] = {}
        self._key = (formulas["alpha"], formulas["sigma"], self.constants, sigma_data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GaussianPath) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        values = "".join(f", {k}={v}" for k, v in self.constants)
        return f"{type(self).__name__}(alpha={self._key[0]}, sigma={self._key[1]}{values})"

    def __deepcopy__(self, memo: Any) -> GaussianPath:
        return self

    def __reduce__(self) -> Any:
        alpha, sigma, constants, sigma_data = self._key
        return partial(GaussianPath, alpha, sigma, sigma_data=sigma_data, **dict(constants)), ()

    # --- functions of time -------------------------------------------------------------------------------------
    def alpha(self, t: Any) -> Any:
        """The coefficient of the data in x_t."""
        return _of(self, "_named", "alpha")(t)

    def sigma(self, t: Any) -> Any:
        """The standard deviation of the noise in x_t."""
        return _of(self, "_named", "sigma")(t)

    def alpha_dot(self, t: Any) -> Any:
        """d alpha / dt."""
        return _of(self, "_named", "alpha_dot")(t)

    def sigma_dot(self, t: Any) -> Any:
        """d sigma / dt."""
        return _of(self, "_named", "sigma_dot")(t)

    def drift(self, t: Any) -> Any:
        """f = d ln alpha / dt, of dx = f x dt + g dW."""
        return _of(self, "_named", "drift")(t)

    def diffusion(self, t: Any) -> Any:
        """g^2 = d sigma^2 / dt - 2 f sigma^2, of dx = f x dt + g dW; its root is the memoryless noise."""
        return _of(self, "_named", "diffusion")(t)

    def half_log_snr(self, t: Any) -> Any:
        """l = ln(alpha / sigma), half the logarithm of the signal-to-noise ratio."""
        return _of(self, "_named", "half_log_snr")(t)

    def half_log_snr_dot(self, t: Any) -> Any:
        """dl / dt, which is negative."""
        return _of(self, "_named", "half_log_snr_dot")(t)

    def time_of(self, half_log_snr: Any) -> Any:
        """The time at which the path has a given ``half_log_snr``: in closed form, else by bisection."""
        return _of(self, "_solved")(half_log_snr)

    def reverse_noise(self, t: Any, kind: Any = None) -> Any:
        """The square of the noise that a stochastic sampler adds per unit of time.

        Args:
            t: the time.
            kind: None for the path's default, finite at t = 1: g^2, or g^2 alpha / (alpha + sigma) where g^2 is not;
                "memoryless" for g^2; a number for that multiple of g^2; a sympy formula in t.
        """
        return _of(self, "_reverse_noise", kind)(t)

    def weight(self, t: Any, kind: str, over: str = "noise") -> Any:
        """w(t) of a squared prediction error.

        Args:
            t: the time.
            kind: a prediction, for w that turns the error into that prediction's; "likelihood" for -2 dl/dt over the
                noise's error; "min_snr" for min(1, 5 / SNR) over it.
            over: the prediction whose error is weighted.
        """
        return _of(self, "_weight", kind, over)(t)

    # --- what is predicted -------------------------------------------------------------------------------------
    def perturb(self, x: Any, noise: Any, t: Any) -> Any:
        """``alpha(t) x + sigma(t) noise``: the data at a time, of shape (B, ...) with t of shape (B,)."""
        return _times(self.alpha(t), x) + _times(self.sigma(t), noise)

    def target(self, prediction: str, x: Any, noise: Any, t: Any) -> Any:
        """The regression target of a network that predicts "score", "noise", "data", "velocity" or "F", from data and noise."""
        p, q = _of(self, "_pair", "row", prediction)
        return _combined(p, q, x, noise, t)

    def convert(self, value: Any, x_t: Any, t: Any, *, source: str, target: str) -> Any:
        """One prediction converted into another, by the 2x2 system of it and x_t."""
        return _combined(*self.conversion(source, target), x_t, value, t)

    def conversion(self, source: str, target: str) -> tuple[Any, Any]:
        """The coefficients of x_t and of the source: functions of time, or the numbers -1, 0 and 1."""
        _known("a prediction", source, PREDICTIONS)
        found: tuple[Any, Any] = _of(self, "_pair", source, target)
        return found

    def finite(self, source: str, target: str) -> tuple[bool, bool]:
        """Whether a conversion has a limit at t = 0, and at t = 1."""
        return self.derivation.finite(source, target)

    # --- construction ------------------------------------------------------------------------------------------
    def _pair(self, source: str, target: str) -> tuple[Any, Any]:
        """The two coefficients of a target: over x_t and another prediction, or ("row") over data and noise."""
        if (source, target) not in self._pairs:
            _known("a prediction", target, PREDICTIONS)
            row = source == "row"
            found = self.derivation.row(target) if row else self.derivation.conversion(source, target)
            a, b = (self._coefficient(c, i, target, source) for i, c in enumerate(found))
            self._pairs[source, target] = a, b
        return self._pairs[source, target]

    def _coefficient(self, formula: Any, i: int, target: str, source: str) -> Any:
        if formula in (-1, 0, 1):
            return int(formula)
        for letter in LETTERS:
            if formula == letter:
                return self._named(LETTER_NAMES[letter])
        below = SHORT[target] + ("" if source == "row" else " " + SHORT[source])
        name = f"{'ab'[i] if source != 'row' else 'pq'[i]}_{{{below}}}"
        return self._quantity(("coefficient", target, source, i), name, lambda: formula)

    def _weight(self, kind: str, over: str) -> Quantity:
        _known("a weight", kind, WEIGHTS)
        _known("a prediction", over, PREDICTIONS)
        name = rf"w_{{\mathrm{{{kind.replace('_', '')}}}}}" if len(kind) > 1 else rf"w_{{{kind}}}"
        return self._quantity(("weight", kind, over), name, lambda: self.derivation.weight(kind, over))

    def _named(self, name: str) -> Quantity:
        return self._quantity(name, NAMES[name], lambda: self.derivation(name))

    def _quantity(self, key: Any, name: str, formula: Callable[[], Any]) -> Quantity:
        if key not in self._quantities:
            self._quantities[key] = Quantity(name, self._formula(formula()))
        return self._quantities[key]

    def _formula(self, formula: Any, variable: str = "t", shown: str = "tau") -> Formula:
        letters = [x for x in LETTERS if formula.has(x)]
        parts = tuple((str(x), NAMES[LETTER_NAMES[x]], self._named(LETTER_NAMES[x]).formula) for x in letters)
        return Formula(formula, variable, self.constants, parts, shown)

    def _reverse_noise(self, kind: Any) -> Quantity:
        if kind is None:
            formula = self.derivation.reverse_noise
            return self._named("diffusion") if formula() == G else self._quantity("reverse", r"h^{2}", formula)
        if kind == "memoryless":
            return self._named("diffusion")
        if isinstance(kind, (int, float)) and not isinstance(kind, bool):
            if not kind >= 0:
                raise ExpressionError(f"reverse noise {kind!r}: a multiple of g^2 is not negative")
            return self._quantity(("reverse", float(kind)), r"h^{2}", lambda: sympy.Rational(str(kind)) * G)
        if isinstance(kind, sympy.Basic):
            formulas, _, _ = of_the_formulas({"the noise": kind}, dict(self.constants), whole=False)
            return self._quantity(("reverse", formulas["the noise"]), r"h^{2}", lambda: formulas["the noise"])
        raise ExpressionError(
            f"reverse noise {kind!r}: None for the default, 'memoryless', a multiple of g^2, or the square of the noise as a sympy formula in t"
        )

    def _solved(self) -> Quantity:
        return self._inverse

    @cached_property
    def _inverse(self) -> Quantity:
        formula = closed(self.derivation)
        if formula is not None:
            return Quantity(r"\ell^{-1}", self._formula(formula, "ell", "l"))
        log_snr, slope = self._named("half_log_snr"), self._named("half_log_snr_dot")
        return Quantity(r"\ell^{-1}", self._formula(F, "ell", "l"), lambda x: bisected(log_snr, slope, x))


def _of(path: GaussianPath, what: str, *args: Any) -> Any:
    """A function of time of a path, derived when it is first asked for; also by code that ``torch.compile`` traces."""
    return getattr(path, _kept_as(path, what, *args))


@beforehand
def _kept_as(path: GaussianPath, what: str, *args: Any) -> str:
    """The attribute that holds a function of time: an attribute, because tracers read those anew, and dictionaries once."""
    key = (what, *((type(x), x if isinstance(x, Hashable) else repr(x)) for x in args))
    if key not in path._kept:
        found, name = getattr(path, what)(*args), f"_kept_{len(path._kept)}"
        setattr(path, name, found)
        path._kept[key] = name
    return path._kept[key]


def _known(what: str, given: Any, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ExpressionError(f"{given!r} is not {what}; there are {', '.join(known)}")


def _combined(a: Any, b: Any, x: Any, y: Any, t: Any) -> Any:
    """a(t) x + b(t) y, without what is multiplied by 0 or 1."""
    terms = [_times(c if isinstance(c, int) else c(t), v) for c, v in ((a, x), (b, y)) if c != 0]
    return terms[0] if len(terms) == 1 else terms[0] + terms[1]


def _times(c: Any, x: Any) -> Any:
    """A coefficient of shape (B,) times a value of shape (B, ...)."""
    if isinstance(c, int) and c in (1, -1):
        return x if c == 1 else -x
    if isinstance(c, Tensor) and isinstance(x, Tensor) and c.dim():
        c = c.reshape(*c.shape, *(1,) * (x.dim() - c.dim()))
        return c.to(x.dtype) * x
    return c * x

"""Every path that the package ships, found by walking it, and some of a user's own."""

from __future__ import annotations

import inspect
import pkgutil
from functools import cache
from importlib import import_module

import mpmath
import sympy

from probrl import paths
from probrl.paths import GaussianPath, t

PREDICTIONS = ("score", "noise", "data", "velocity", "F")
PAIRS = [(a, b) for a in PREDICTIONS for b in PREDICTIONS if a != b]


def _shipped():
    for module in pkgutil.iter_modules(paths.__path__):
        for _, kind in inspect.getmembers(import_module(f"probrl.paths.{module.name}"), inspect.isclass):
            if issubclass(kind, GaussianPath) and kind is not GaussianPath and kind.__module__.endswith(module.name):
                yield kind.__name__, kind


SHIPPED = dict(_shipped())
k = sympy.Symbol("k", positive=True)
OWN = {
    "own polynomial": lambda: GaussianPath(1 - t**3, t * (2 - t) / 2 + t**3 / 2),
    "own Fourier": lambda: GaussianPath(1 - t + sympy.sin(2 * sympy.pi * t) / 10, t - sympy.sin(2 * sympy.pi * t) / 15),
    "own exponential": lambda: GaussianPath(sympy.exp(-k * t**2), sympy.sqrt(1 - sympy.exp(-3 * k * t)), k=2.5),
}
NAMES = [*SHIPPED, *OWN]


@cache
def path(name: str) -> GaussianPath:
    """A path by its name; one for all tests, because deriving takes a while."""
    return SHIPPED[name]() if name in SHIPPED else OWN[name]()


class Exact:
    """The same quantities in 50 digits, from the definitions alone and nothing of the package."""

    def __init__(self, name: str):
        alpha, sigma, constants, self.d = path(name)._key
        values = {x: sympy.Rational(str(dict(constants)[x.name])) for x in (alpha + sigma).free_symbols - {t}}
        alpha, sigma = alpha.xreplace(values), sigma.xreplace(values)
        self._run = sympy.lambdify(t, (alpha, sigma, sympy.diff(alpha, t), sympy.diff(sigma, t)), "mpmath")

    def at(self, time: float) -> dict:
        with mpmath.workdps(50):
            a, s, da, ds = self._run(mpmath.mpf(time))
            d = mpmath.mpf(str(self.d))
            q = mpmath.sqrt(s**2 + (a * d) ** 2)
            f = da / a
            found = {
                "alpha": a, "sigma": s, "alpha_dot": da, "sigma_dot": ds, "drift": f, "diffusion": 2 * s * ds - 2 * f * s**2,
                "half_log_snr": mpmath.log(a / s), "half_log_snr_dot": da / a - ds / s,
            }  # fmt: skip
            rows = {
                "data": (1, 0),
                "noise": (0, 1),
                "score": (0, -1 / s),
                "velocity": (da, ds),
                "F": (s / (d * q), -a * d / q),
            }
            for source, target in PAIRS:
                (x, y), (u, v) = rows[source], rows[target]
                det = a * y - s * x
                found[source, target] = (u * y - v * x) / det, (v * a - u * s) / det
            return found

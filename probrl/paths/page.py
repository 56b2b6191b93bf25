"""A path as equations: what was given, what follows, and every conversion between predictions."""

from __future__ import annotations

from typing import Any

from probrl.expr import nodes as n
from probrl.expr.base import Expr, read
from probrl.expr.lifting import symbols
from probrl.expr.traversal import transform
from probrl.paths.derived import PREDICTIONS
from probrl.paths.quantity import Formula

Equation = tuple[Expr | None, Expr]
_OURS = ("alpha", "sigma", "alpha_dot", "sigma_dot", "drift", "diffusion", "half_log_snr", "half_log_snr_dot")
_LETTERS = {"score": "s", "noise": "epsilon", "data": "x_0", "velocity": "v", "F": "F"}


class Readable:
    """The readings of a path; the same names as those of an expression."""

    def equations(self, conversions: bool = True) -> list[Equation]:
        """Left and right sides: the path, its slopes, drift, diffusion, log-SNR, weights and conversions."""
        path: Any = self
        t = symbols("t", rank=0)
        found: list[Equation] = []
        for name in _OURS:
            found.append(_defined(getattr(path, name)(t)))
        found.append(self._inverse_equation())
        noise = path.reverse_noise(t)
        if noise is not path.diffusion(t):
            found.append(_defined(noise))
        found += [_defined(path.weight(t, kind)) for kind in ("likelihood", "velocity", "data", "min_snr")]
        return found + (self._conversions(t) if conversions else [])

    def _inverse_equation(self) -> Equation:
        path: Any = self
        time = path.time_of(symbols("l", rank=0))
        if isinstance(time, n.Definition):
            return time, time.head.body(*time.args)
        return path.half_log_snr(time), symbols("l", rank=0)

    def _conversions(self, t: Expr) -> list[Equation]:
        path: Any = self
        letters = {kind: symbols(letter, rank=1) for kind, letter in _LETTERS.items()}
        x_t, found = symbols("x_t", rank=1), []
        for source in PREDICTIONS:
            for target in PREDICTIONS:
                if source != target:
                    right = _opened(path.convert(letters[source], x_t, t, source=source, target=target))
                    found.append((letters[target], right))
        return found

    def latex(self, **options: Any) -> str:
        """The equations as LaTeX, in aligned rows."""
        return str(read("equations_latex", self.equations(**_own(options)), **{"define": False, **options}))

    def print_latex(self, **options: Any) -> None:
        """Prints the LaTeX; rendered in a notebook."""
        read("equations_print_latex", self.equations(**_own(options)), **{"define": False, **options})

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def text(self, **options: Any) -> str:
        """The equations as unicode text."""
        return str(read("equations_text", self.equations(**_own(options)), **{"define": False, **options}))

    def png(self, path: Any = None, **options: Any) -> Any:
        """The equations as a picture."""
        return read("equations_png", self.equations(**_own(options)), path, **options)


def _own(options: dict[str, Any]) -> dict[str, Any]:
    return {k: options.pop(k) for k in ("conversions",) if k in options}


def _defined(left: Any) -> Equation:
    """A function of time and its formula."""
    assert isinstance(left, n.Definition)
    return left, left.body


def _opened(x: Expr) -> Expr:
    """The coefficients of a conversion by their formulas, over the functions that have rows of their own."""

    def rule(node: Expr) -> Expr | None:
        ours = isinstance(node, n.Definition) and isinstance(getattr(node.head, "function", None), Formula)
        return node.body if ours and node.head.name.startswith(("a_", "b_")) else None

    return transform(x, rule)

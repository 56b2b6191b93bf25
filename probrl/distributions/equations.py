"""What a distribution is, as equations: its density, moments, divergence and draw over its parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, read
from probrl.expr.operators import symbols
from probrl.expr.traversal import children

LETTERS = {"loc": "mu", "scale": "sigma", "concentration1": "alpha", "concentration0": "beta", "scale_tril": "L"}
Equation = tuple[Expr | None, Expr]


class Readable:
    """The readings of a distribution; the same names as those of an expression."""

    def equations(self) -> list[Equation]:
        """Left and right sides: what can be asked of the distribution, and the formula that answers."""
        dist: Any = self
        given = tuple(_column(c, None) for c in dist.declaration.conditions)
        applied = dist.applied(given or dist.given)
        if not hasattr(applied, "parameters"):
            return [(None, x) for x in (applied if isinstance(applied, tuple) else (applied,))]
        values = tuple(_column(v, r) for v, r in zip(dist.declaration.variables, dist.ranks, strict=True))
        found = [_equation(lambda: (applied.log_prob(*values), dist.log_density(*values, **_named(applied))))]
        for op in ("entropy", "mean", "variance", "mode"):
            found.append(_equation(partial(_moment, dist, applied, op)))
        if given:
            old = dist.old(*given)
            found.append(_equation(lambda: (applied.kl(old), dist.divergence(_named(applied), _named(old, "_old")))))
        found.append(_equation(lambda: _draw(dist, applied)))
        return [x for x in found if x is not None]

    def latex(self, **options: Any) -> str:
        """The equations as LaTeX."""
        return str(read("equations_latex", self.equations(), **options))

    def print_latex(self, **options: Any) -> None:
        """Prints the LaTeX; rendered in a notebook."""
        read("equations_print_latex", self.equations(), **options)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def text(self, **options: Any) -> str:
        """The equations as unicode text."""
        return str(read("equations_text", self.equations(), **options))

    def png(self, path: Any = None, **options: Any) -> Any:
        """The equations as a picture."""
        return read("equations_png", self.equations(), path, **options)


def _column(name: str, rank: int | None) -> Expr:
    made: Expr = symbols(name, rank=rank)
    return made


def _named(applied: Any, suffix: str = "") -> dict[str, Expr]:
    """The parameters, each under its letter, so that it is explained once."""
    found = {}
    for key, value in applied.parameters.items():
        found[key] = value.named(LETTERS.get(key, key) + suffix) if children(value) else value
    return found


def _moment(dist: Any, applied: Any, op: str) -> Equation:
    return getattr(applied, op)(), getattr(dist, f"{op}_of")(**_named(applied))


def _draw(dist: Any, applied: Any) -> Equation:
    draw = applied.draw()
    if not isinstance(draw, n.Definition):
        raise ExpressionError("its draw has no formula of its own")
    noises = draw.args[: draw.head.noises]  # type: ignore[attr-defined]
    return draw, dist.transform(noises, _named(applied), None)


def _equation(build: Callable[[], Equation]) -> Equation | None:
    """An equation, or None where the family has no such formula."""
    try:
        return build()
    except (ExpressionError, NotImplementedError, AttributeError, TypeError):
        return None

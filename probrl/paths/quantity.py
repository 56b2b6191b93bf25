"""A function of time that a path has: a word in formulas, a function of tensors and of numbers. One formula for all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, read
from probrl.expr.definition import PreciseHead
from probrl.expr.functions import function
from probrl.expr.lifting import symbols
from probrl.symbolic import from_sympy

_KEPT = 8192  # values at numbers that are remembered: time grids are used again and again


def beforehand(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that ``torch.compile`` runs while it traces, so that what sympy derives is no part of the graph.

    It returns a bool or a string, and leaves what it made where the traced code finds it. The mark is that of
    ``torch.compiler.assume_constant_result``, which would import the compiler for a second.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


@dataclass(frozen=True)
class Formula:
    """A sympy formula as a function of one expression; equal ones are equal, so that equal paths are one in formulas.

    Attributes:
        formula: of the variable, the constants and the letters.
        variable: the name of its variable.
        constants: names and values.
        parts: of each letter in it, the name and the formula of the function that it stands for.
        shown: the letter of the variable where the function is defined on a page.
    """

    formula: Any
    variable: str = "t"
    constants: tuple[tuple[str, float], ...] = ()
    parts: tuple[tuple[str, str, Formula], ...] = ()
    shown: str = "tau"

    def __call__(self, x: Expr) -> Expr:
        constants = {name: n.Number(value, name) for name, value in self.constants}
        parts = {letter: n.Definition(PreciseHead(name, body), (x,)) for letter, name, body in self.parts}
        return from_sympy(self.formula, {**constants, **parts, self.variable: x})

    @property
    def varies(self) -> bool:
        """Whether it depends on its variable."""
        free = {str(x) for x in self.formula.free_symbols}
        return self.variable in free or any(letter in free and body.varies for letter, _, body in self.parts)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.Signature([inspect.Parameter(self.shown, inspect.Parameter.POSITIONAL_OR_KEYWORD)])


class Quantity:
    """One function of time (or of the log-SNR).

    Called with an expression it is that word of a formula, which prints as its name; with a tensor, of any shape, it is
    its value, computed in double precision and cast; with a number, a number.

    Args:
        name: how it prints.
        formula: what it is.
        solve: in place of a closed form, a function of tensors.
    """

    def __init__(self, name: str, formula: Formula, solve: Callable[[Tensor], Tensor] | None = None):
        self.name, self.formula = name, formula
        self._solve, self._run = solve, solve
        self._word = None if solve is None else function(name, solve)
        self._values: dict[float, float] = {}

    def __call__(self, x: Any) -> Any:
        if isinstance(x, Expr):
            return n.Definition(PreciseHead(self.name, self.formula), (x,)) if self._word is None else self._word(x)
        if isinstance(x, Tensor):
            return self._on(x)
        if isinstance(x, (int, float)) and not isinstance(x, bool):
            if self.formula.variable == "t" and not 0 <= x <= 1:
                raise DataError(f"{self.name} at t = {x:g}: times are in [0, 1], 0 is data and 1 is noise")
            return self._at(float(x))
        raise ExpressionError(
            f"{self.name} is a function of time: give it an expression, a tensor or a number, not {type(x).__name__}"
        )

    def _on(self, x: Tensor) -> Tensor:
        _make_ready(self)
        assert self._run is not None
        return self._run(x)

    def _lowered(self) -> Callable[[Tensor], Tensor]:
        formula = self(symbols("x", rank=0))
        if not self.formula.varies:
            value = read("graph", 0 * symbols("x", rank=0) + formula)(x=torch.zeros((), dtype=torch.float64))[0].item()
            return lambda x: torch.full_like(
                x, value, dtype=x.dtype if x.is_floating_point() else torch.get_default_dtype()
            )
        module = read("graph", formula)
        return lambda x: module(x=x)[0]

    def _at(self, x: float) -> float:
        if x not in self._values:
            if len(self._values) >= _KEPT:
                self._values.clear()
            with torch.no_grad():
                self._values[x] = self._on(torch.tensor(x, dtype=torch.float64)).item()
        return self._values[x]


@beforehand
def _make_ready(quantity: Quantity) -> bool:
    """Lowers a quantity when it is first asked for on tensors."""
    if quantity._run is None:
        quantity._run = quantity._lowered()
    return True

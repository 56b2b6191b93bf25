"""The functions that a formula becomes in sympy where sympy has none: real-valued, linear where they are."""

from __future__ import annotations

from typing import Any

import sympy
from sympy.core.function import AppliedUndef, ArgumentIndexError, UndefinedFunction


class _Opaque(AppliedUndef):
    """An undefined real function: a network, a recursion, a gather."""

    is_extended_real = True
    is_real = True
    is_commutative = True


class _Linear(_Opaque):
    """A sum or a mean: linear in its first argument, so that the derivative by a parameter goes inside.

    By a symbol with rows it is the derivative when all rows move alike.
    """

    def _eval_derivative(self, symbol: Any) -> Any:
        inner = self.args[0].diff(symbol)
        return sympy.S.Zero if inner == 0 else self.func(inner, *self.args[1:])


class _Held(_Opaque):
    """A stop-gradient: a value whose derivative is zero."""

    def _eval_derivative(self, symbol: Any) -> Any:
        return sympy.S.Zero


class _real_abs(sympy.Function):  # noqa: N801 - sympy's functions are lower case
    """|x| of a real x, whatever sympy knows of x."""

    def fdiff(self, argindex: int = 1) -> Any:
        if argindex != 1:
            raise ArgumentIndexError(self, argindex)
        return _real_sign(self.args[0])


class _real_sign(sympy.Function):  # noqa: N801
    """The sign of a real x; flat."""

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.S.Zero


class _real_floor(sympy.Function):  # noqa: N801
    """The greatest integer not above a real x; flat."""

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.S.Zero


KINDS = {"opaque": _Opaque, "linear": _Linear, "held": _Held}
NUMERIC = {"_real_abs": "absolute", "_real_sign": "sign", "_real_floor": "floor"}


def undefined(name: str, kind: str = "opaque") -> Any:
    """The undefined function of a name; ``kind`` is one of :data:`KINDS`."""
    return UndefinedFunction(name, bases=(KINDS[kind],))


def smooth(formula: Any) -> Any:
    """The formula with absolute values, signs and floors that sympy can differentiate without asking what is real."""
    if not formula.has(sympy.Abs, sympy.sign, sympy.floor):
        return formula
    for old, new in ((sympy.Abs, _real_abs), (sympy.sign, _real_sign), (sympy.floor, _real_floor)):
        formula = formula.replace(old, new)
    return formula

"""The functions that a formula becomes in sympy where sympy has none: real-valued, linear where they are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import sympy
from sympy.core.function import AppliedUndef, UndefinedFunction

from probrl.errors import ExpressionError


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


class _Flat(sympy.Function):
    """A function whose derivative is zero wherever it has one."""

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.S.Zero


class _sign(_Flat):
    """The sign of a real x, whatever sympy knows of x."""


class _floor(_Flat):
    """The greatest integer not above a real x."""


class _relation(_Flat):
    """1 where a relation, given by its index in :data:`RELATIONS`, holds between two values, else 0."""


class _abs(sympy.Function):
    """|x| of a real x."""

    def fdiff(self, argindex: int = 1) -> Any:
        return _sign(self.args[0])


def _lesser(x: Any, y: Any) -> Any:
    """1 where x < y, a half where they are equal: two equal values share the derivative of their extremum."""
    return (_relation(_LESS, x, y) + _relation(_LESS_EQUAL, x, y)) / 2


class _least(sympy.Function):
    """The lesser of two values."""

    def fdiff(self, argindex: int = 1) -> Any:
        return _lesser(*(self.args if argindex == 1 else reversed(self.args)))


class _greatest(sympy.Function):
    """The greater of two values."""

    def fdiff(self, argindex: int = 1) -> Any:
        return _lesser(*(self.args if argindex == 2 else reversed(self.args)))


class _either(sympy.Function):
    """x where a condition is not 0, else y; a branch that is not taken has no derivative, not even an infinite one."""

    def _eval_derivative(self, symbol: Any) -> Any:
        condition, x, y = self.args
        return _either(condition, x.diff(symbol), y.diff(symbol))


RELATIONS = (
    sympy.StrictLessThan,
    sympy.LessThan,
    sympy.StrictGreaterThan,
    sympy.GreaterThan,
    sympy.Equality,
    sympy.Unequality,
)
_LESS, _LESS_EQUAL = sympy.Integer(0), sympy.Integer(1)
_COMPARE = (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
NUMERIC: dict[str, Any] = {
    "_abs": np.abs,
    "_sign": np.sign,
    "_floor": np.floor,
    "_least": np.minimum,
    "_greatest": np.maximum,
    "_either": lambda c, x, y: np.where(np.not_equal(c, 0), x, y),
    "_relation": lambda i, x, y: _COMPARE[int(i)](x, y).astype(float),
}
KINDS = {"opaque": _Opaque, "linear": _Linear, "held": _Held}


def undefined(name: str, kind: str = "opaque") -> Any:
    """The undefined function of a name; ``kind`` is one of :data:`KINDS`."""
    return UndefinedFunction(name, bases=(KINDS[kind],))


def plain(formula: Any, letters: Mapping[Any, Any]) -> Any:
    """The formula with letters for its parts, and with functions that numpy and a derivative take without questions.

    sympy would ask which values are real, re-order extrema and simplify conditions; here everything is real, and the
    order is kept.
    """
    if formula in letters:
        return letters[formula]
    if not formula.args:
        return formula
    if isinstance(formula, sympy.Piecewise):
        return _cases(formula, letters)
    args = [plain(a, letters) for a in formula.args]
    for kind, twin in _TWINS.items():
        if isinstance(formula, kind):
            return reduce(twin, args) if len(args) > 1 else twin(*args)
    return formula.func(*args)


_TWINS = {sympy.Abs: _abs, sympy.sign: _sign, sympy.floor: _floor, sympy.Min: _least, sympy.Max: _greatest}


def _cases(formula: Any, letters: Mapping[Any, Any]) -> Any:
    result = sympy.nan
    for value, condition in reversed([tuple(piece.args) for piece in formula.args]):
        here = plain(value, letters)
        result = here if condition == sympy.true else _either(_indicator(condition, letters), here, result)
    return result


def _indicator(condition: Any, letters: Mapping[Any, Any]) -> Any:
    if condition in (sympy.true, sympy.false):
        return sympy.Integer(int(condition == sympy.true))
    if isinstance(condition, sympy.Not):
        return 1 - _indicator(condition.args[0], letters)
    if isinstance(condition, (sympy.And, sympy.Or)):
        parts = [_indicator(a, letters) for a in condition.args]
        return reduce(_least if isinstance(condition, sympy.And) else _greatest, parts)
    if isinstance(condition, sympy.ITE):
        return _either(*(_indicator(a, letters) for a in condition.args))
    index = next((i for i, kind in enumerate(RELATIONS) if isinstance(condition, kind)), None)
    if index is None:
        raise ExpressionError(
            f"sympy made the condition {condition} ({type(condition).__name__}), which is not a relation"
        )
    return _relation(sympy.Integer(index), plain(condition.lhs, letters), plain(condition.rhs, letters))

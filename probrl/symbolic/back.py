"""sympy formulas as expressions: one rule per sympy function that the language has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from typing import Any

import sympy

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr import operators as op
from probrl.expr.base import Expr


def from_formula(formula: Any, names: Mapping[Any, Expr]) -> Expr:
    """A sympy formula as an expression; see :func:`probrl.symbolic.from_sympy`."""
    given = {str(k): v for k, v in names.items()}
    return _expr(sympy.sympify(formula), given)


def _expr(x: Any, names: Mapping[str, Expr]) -> Expr:
    if x.is_Symbol:
        if x.name not in names:
            raise ExpressionError(
                f"the sympy formula has the symbol {x.name}, which stands for nothing here; say what it is: {{{x.name}: ...}}"
            )
        return names[x.name]
    if x.is_number and not x.args:
        return _number(x)
    if x.is_Rational:
        return op.divide(n.Number(int(x.p), None), n.Number(int(x.q), None))
    if x.is_Mul or (x.is_Pow and x.base is not sympy.E and sympy.fraction(x)[1] != 1):
        return _product(x, names)
    if x.is_Add:
        return _sum(x, names)
    if isinstance(x, sympy.Piecewise):
        return _cases(x, names)
    rule = next((r for kind, r in _RULES.items() if isinstance(x, kind)), None)
    if rule is None:
        raise ExpressionError(
            f"sympy's {type(x).__name__} in {x} has no counterpart in the language, which has arithmetic, exp, log, sin, cos, tan, "
            "atan, asin, acos, tanh, sinh, cosh, Abs, floor, sign, Min, Max, Piecewise, loggamma and digamma; rewrite it with those"
        )
    return rule(*(_expr(a, names) for a in x.args))


def _number(x: Any) -> Expr:
    if x is sympy.pi:
        return n.Number(math.pi, "pi")
    if x is sympy.E:
        return n.Number(math.e, "e")
    if x.is_Integer:
        return n.Number(int(x), None)
    if x.is_Rational and _short(int(x.q)):
        return n.Number(int(x.p) / int(x.q), None)
    if x.is_Rational:
        return op.divide(n.Number(int(x.p), None), n.Number(int(x.q), None))
    if x.is_real and x.is_finite:
        return n.Number(float(x), None)
    raise ExpressionError(f"{x} is not a real number")


def _short(denominator: int) -> bool:
    return denominator <= 64 and denominator & (denominator - 1) == 0


def _sum(x: Any, names: Mapping[str, Expr]) -> Expr:
    """Terms in sympy's order, those that are added before those that are taken away."""
    terms = x.as_ordered_terms()
    taken = [y for y in terms if y.could_extract_minus_sign()]
    added = [y for y in terms if y not in taken] or [taken.pop(0)]
    return reduce(op.subtract, (_expr(-y, names) for y in taken), reduce(op.add, (_expr(y, names) for y in added)))


def _product(x: Any, names: Mapping[str, Expr]) -> Expr:
    above, below = sympy.fraction(x)
    if below != 1 and above.could_extract_minus_sign() and not above.is_Add:
        return op.negative(op.divide(_expr(-above, names), _expr(below, names)))
    if below != 1:
        return op.divide(_expr(above, names), _expr(below, names))
    coefficient, rest = x.as_coeff_Mul()
    if coefficient == -1:
        return op.negative(_expr(rest, names))
    return reduce(op.multiply, (_expr(f, names) for f in x.as_ordered_factors()))


def _cases(x: Any, names: Mapping[str, Expr]) -> Expr:
    pieces = list(x.args)
    if pieces[-1].cond != sympy.true:
        raise ExpressionError(f"{x} has no value outside its cases: give it a last piece (value, True)")
    result = _expr(pieces[-1].expr, names)
    for value, condition in reversed([tuple(p.args) for p in pieces[:-1]]):
        result = op.where(_relation(condition, names), _expr(value, names), result)
    return result


def _relation(x: Any, names: Mapping[str, Expr]) -> Expr:
    for kind, name in _RELATIONS.items():
        if isinstance(x, kind):
            return op.compare(name, _expr(x.lhs, names), _expr(x.rhs, names))
    if isinstance(x, sympy.And):
        return reduce(op.multiply, (_relation(a, names) for a in x.args))
    if isinstance(x, sympy.Or):
        return reduce(op.maximum, (_relation(a, names) for a in x.args))
    if isinstance(x, sympy.Not):
        return op.subtract(1, _relation(x.args[0], names))
    raise ExpressionError(f"the condition {x} is not a relation between values")


def _sinh(x: Expr) -> Expr:
    return op.divide(op.subtract(op.exp(x), op.exp(op.negative(x))), 2)


def _cosh(x: Expr) -> Expr:
    return op.divide(op.add(op.exp(x), op.exp(op.negative(x))), 2)


def _cathetus(x: Expr) -> Expr:
    """sqrt(1 - x^2), whose product form loses nothing where x is near 1."""
    return op.sqrt(op.multiply(op.subtract(1, x), op.add(1, x)))


def _polygamma(order: Expr, x: Expr) -> Expr:
    if isinstance(order, n.Number) and order.value == 0:
        return op.digamma(x)
    raise ExpressionError("of the polygamma functions the language has the first, digamma")


_RELATIONS = {
    sympy.StrictLessThan: "lt",
    sympy.LessThan: "le",
    sympy.StrictGreaterThan: "gt",
    sympy.GreaterThan: "ge",
    sympy.Equality: "eq",
    sympy.Unequality: "ne",
}
_RULES: dict[Any, Any] = {
    sympy.exp: op.exp,
    sympy.Pow: op.power,
    sympy.log: op.log,
    sympy.tanh: op.tanh,
    sympy.sinh: _sinh,
    sympy.cosh: _cosh,
    sympy.sin: op.sin,
    sympy.cos: op.cos,
    sympy.tan: lambda x: op.divide(op.sin(x), op.cos(x)),
    sympy.atan: op.atan,
    sympy.acot: lambda x: op.atan(op.divide(1, x)),
    sympy.asin: lambda x: op.multiply(2, op.atan(op.divide(x, op.add(1, _cathetus(x))))),
    sympy.acos: lambda x: op.multiply(2, op.atan(op.divide(_cathetus(x), op.add(1, x)))),
    sympy.Abs: op.abs,
    sympy.floor: op.floor,
    sympy.sign: op.sign,
    sympy.loggamma: op.lgamma,
    sympy.polygamma: _polygamma,
    sympy.Min: lambda *xs: reduce(op.minimum, xs),
    sympy.Max: lambda *xs: reduce(op.maximum, xs),
}

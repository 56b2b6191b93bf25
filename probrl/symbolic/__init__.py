"""Formulas to sympy and back: the one place where the two meet. sympy is imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from probrl.expr.base import Expr, install_reading

if TYPE_CHECKING:
    from probrl.symbolic.formulas import Reading

__all__ = ["from_sympy", "reading", "to_sympy"]


def to_sympy(expr: Expr) -> Any:
    """The formula in sympy: arithmetic becomes sympy's, everything else a symbol or an undefined function.

    Columns, parameters, constants with a letter and draws become real symbols; networks, reductions, gathers,
    recursions and derivatives become undefined functions of what they read. A sum or mean is linear, so it can be
    differentiated by a parameter.

    Args:
        expr: the formula; definitions are opened.

    Returns:
        A sympy expression: differentiate, simplify, substitute. The value of one row where the formula has rows.

    Errors:
        ExpressionError when a symbol is used both as a scalar and as a vector.

    Example:
        >>> import probrl as pr
        >>> x, y = pr.symbols("x y")
        >>> to_sympy((x + y) ** 2 - x**2 - y**2 - 2 * x * y).expand()
        0
    """
    return reading(expr).formula


def reading(expr: Expr) -> Reading:
    """The formula in sympy together with what each of its symbols and functions stands for.

    Args:
        expr: the formula.

    Returns:
        A :class:`~probrl.symbolic.formulas.Reading`: ``formula`` is the sympy expression, ``leaves`` maps the symbols
        and functions whose values are to be supplied to nodes, ``structures`` those that are computed from their
        arguments. ``evaluate`` runs it in numpy, without torch and without the graph.

    Example:
        >>> import numpy, probrl as pr
        >>> x = pr.symbols("x")
        >>> found = reading(pr.mean(x**2))
        >>> float(found.evaluate({"x": numpy.array([1.0, 3.0])}).value)
        5.0
    """
    from probrl.symbolic.formulas import read_formula

    return read_formula(expr)


def from_sympy(formula: Any, names: Mapping[Any, Expr]) -> Expr:
    """A sympy formula as an expression.

    Args:
        formula: a sympy expression of elementary functions.
        names: what each of its free symbols stands for, by symbol or by name.

    Returns:
        The expression, in sympy's order of terms.

    Errors:
        ExpressionError for a symbol that ``names`` lacks, and for a function that the language does not have.

    Example:
        >>> import sympy, probrl as pr
        >>> t = sympy.Symbol("t")
        >>> str(from_sympy(sympy.exp(-t) / 2, {t: pr.symbols("t")}).type)
        'of open rank over (batch)'
    """
    from probrl.symbolic.back import from_formula

    return from_formula(formula, names)


install_reading("sympy", to_sympy)

"""What enters a formula: columns, constants, Python's numbers."""

from __future__ import annotations

from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis, batch_of
from probrl.expr.base import Expr, show


def lift(value: Any) -> Expr:
    """A Python number as an expression; expressions pass.

    Errors:
        ExpressionError: for anything else, with the way to bring it in.
    """
    if isinstance(value, Expr):
        return value
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        raise ExpressionError(
            f"{value} is Python's, not a formula's: == and != ask whether two formulas are the same one; the indicator is "
            "pr.equal(x, y), others are x < y, x >= y; a number is 0 or 1"
        )
    if isinstance(value, (int, float)):
        return n.Number(value, None)
    if hasattr(value, "log_prob") or hasattr(value, "get_log_prob"):
        raise ExpressionError(
            f"{getattr(value, 'notation', value)} is a distribution, not a value: apply it and ask, as in "
            "pi(s).log_prob(a) or pi(s).draw()"
        )
    if hasattr(value, "item") and hasattr(value, "shape"):
        raise ExpressionError(
            f"a {type(value).__name__} of shape {tuple(value.shape)} cannot stand in a formula, for it has no name to print: make it "
            "a column (x = pr.symbols('x'), and batch['x'] = tensor), a constant (pr.constant('c', float(x))) or a parameter"
        )
    raise ExpressionError(f"{value!r} ({type(value).__name__}) cannot stand in a formula: expressions and numbers can")


def operand(value: Any, other: Any) -> Any:
    """One side of an operator: what :func:`lift` takes; a refusal says what it stands beside."""
    try:
        return lift(value)
    except ExpressionError as refused:
        raise ExpressionError(f"beside {show(other)}: {refused}") from None


def symbols(names: str, *, rank: int | None = None, axes: Any = (), data: str | None = None) -> Any:
    """Columns of the data, by name: one symbol, or a tuple of them.

    A column has the axis ``batch`` (of its source) and those it declares; its tensor is laid out
    ``(batch, *axes, *event)``.

    Args:
        names: names separated by blanks or commas; ``s_next`` prints as s'.
        rank: the number of event dimensions; None leaves it to the distribution that the symbol is handed to, else 0.
        axes: an axis or several, as names or :class:`Axis`.
        data: the name of the data source, or None for the only one.

    Example:
        >>> import probrl as pr
        >>> s, a = pr.symbols("s a")
        >>> o = pr.symbols("o", rank=1, axes=pr.Axis("time", mask="valid"))
        >>> o.type
        Type(axes=(Axis(name='batch', mask=None, data=True, source=None), Axis(name='time', mask='valid', data=True, source=None)), rank=1)
    """
    given = (axes,) if isinstance(axes, (str, Axis)) else tuple(axes)
    declared = tuple(Axis(x, source=data) if isinstance(x, str) else x for x in given)
    if data is not None:
        declared = tuple(Axis(a.name, a.mask, a.data, data) if a.data else a for a in declared)
    has_batch = any(a.name == "batch" for a in declared)
    all_axes = declared if has_batch else (batch_of(data), *declared)
    called = names.replace(",", " ").split()
    if number := next((name for name in called if name[0].isdigit()), None):
        raise ExpressionError(
            f"pr.symbols({names!r}): {number!r} would print like a number; a column's name begins with a letter, as in 'x{number}'"
        )
    made = tuple(n.Symbol(name, rank, all_axes, None) for name in called)
    if not made:
        raise ExpressionError("pr.symbols needs at least one name, as in pr.symbols('s a')")
    return made[0] if len(made) == 1 else made


def constant(letter: str, value: float) -> Expr:
    """A number that prints as its letter: ``pr.constant("gamma", 0.99)``.

    Example:
        >>> import probrl as pr
        >>> r, V = pr.symbols("r V")
        >>> gamma = pr.constant("gamma", 0.99)
        >>> print(r + gamma * V)
        r + γ V
        where
          γ = 0.99
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ExpressionError(
            f"pr.constant({letter!r}, ...) takes a Python number, not a {type(value).__name__}: write float(x)"
        )
    return n.Number(value, letter)

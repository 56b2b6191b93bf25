"""The words of the language that build nodes: arithmetic, elementwise functions, axes, reductions."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis, batch_of, index_axis
from probrl.expr.base import Expr, show
from probrl.expr.definition import FunctionHead, NamedHead, definition


def lift(value: Any) -> Expr:
    """A Python number as an expression; expressions pass.

    Raises:
        ExpressionError: for anything else, with the way to bring it in.
    """
    if isinstance(value, Expr):
        return value
    if isinstance(value, bool):
        return n.Number(int(value), None)
    if isinstance(value, (int, float)):
        return n.Number(value, None)
    if hasattr(value, "log_prob") or hasattr(value, "get_log_prob"):
        raise ExpressionError(
            f"{value} is a distribution, not a value: apply it and ask, as in pi(s).log_prob(a) or pi(s).draw()"
        )
    if hasattr(value, "item") and hasattr(value, "shape"):
        raise ExpressionError(
            "a tensor cannot stand in a formula, for it has no name to print: make it a column (pr.symbols), "
            "a constant (pr.constant('c', float(x))) or a parameter"
        )
    raise ExpressionError(f"{value!r} ({type(value).__name__}) cannot stand in a formula: expressions and numbers can")


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
    declared = tuple(Axis(*x.split(), source=data) if isinstance(x, str) else x for x in given)
    if data is not None:
        declared = tuple(Axis(a.name, a.mask, a.data, data) if a.data else a for a in declared)
    has_batch = any(a.name == "batch" for a in declared)
    all_axes = declared if has_batch else (batch_of(data), *declared)
    made = tuple(n.Symbol(name, rank, all_axes, None) for name in names.replace(",", " ").split())
    if not made:
        raise ExpressionError("pr.symbols needs at least one name, as in pr.symbols('s a')")
    return made[0] if len(made) == 1 else made


def constant(letter: str, value: float) -> Expr:
    """A number that prints as its letter: ``pr.constant("gamma", 0.99)``."""
    return n.Number(value, letter)


# --- arithmetic ------------------------------------------------------------------------------------------------
_MINUS = n.Number(-1, None)


def add(x: Any, y: Any) -> Expr:
    """x + y."""
    return n.Add(lift(x), lift(y))


def subtract(x: Any, y: Any) -> Expr:
    """x - y, which is x + (-1) y."""
    x, y = _comparable(lift(x), lift(y))
    return n.Add(x, n.Mul(_MINUS, y))


def _comparable(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    if isinstance(x, n.Definition) and isinstance(y, n.Definition):
        x.head.compared(x.args, y.head, y.args)
    return x, y


def negative(x: Any) -> Expr:
    """-x, which is (-1) x; a literal is negated."""
    x = lift(x)
    return n.Number(-x.value, None) if isinstance(x, n.Number) and x.letter is None else n.Mul(_MINUS, x)


def multiply(x: Any, y: Any) -> Expr:
    """x y."""
    return n.Mul(lift(x), lift(y))


def divide(x: Any, y: Any) -> Expr:
    """x / y, which is x times y to the power -1."""
    x, y = _comparable(lift(x), lift(y))
    return n.Mul(x, n.Pow(y, _MINUS))


def power(x: Any, y: Any) -> Expr:
    """x to the power y."""
    return n.Pow(lift(x), lift(y))


def compare(op: str, x: Any, y: Any) -> Expr:
    """The indicator of a relation."""
    return n.Compare(op, lift(x), lift(y))


def equal(x: Any, y: Any) -> Expr:
    """The indicator of x = y (``==`` asks whether two formulas are the same)."""
    return compare("eq", x, y)


def minimum(x: Any, y: Any) -> Expr:
    """The lesser of two values, element by element."""
    return n.Extremum("min", lift(x), lift(y))


def maximum(x: Any, y: Any) -> Expr:
    """The greater of two values, element by element."""
    return n.Extremum("max", lift(x), lift(y))


def where(condition: Any, x: Any, y: Any) -> Expr:
    """x where the condition holds, else y."""
    return n.Where(lift(condition), lift(x), lift(y))


def exp(x: Any) -> Expr:
    """The exponential."""
    return n.Unary("exp", lift(x))


def log(x: Any) -> Expr:
    """The natural logarithm."""
    return n.Unary("log", lift(x))


def tanh(x: Any) -> Expr:
    """The hyperbolic tangent."""
    return n.Unary("tanh", lift(x))


def sigmoid(x: Any) -> Expr:
    """1 / (1 + exp(-x))."""
    return n.Unary("sigmoid", lift(x))


def softplus(x: Any) -> Expr:
    """log(1 + exp x)."""
    return n.Unary("softplus", lift(x))


def abs(x: Any) -> Expr:
    """The absolute value."""
    return n.Unary("abs", lift(x))


def sin(x: Any) -> Expr:
    """The sine."""
    return n.Unary("sin", lift(x))


def cos(x: Any) -> Expr:
    """The cosine."""
    return n.Unary("cos", lift(x))


def floor(x: Any) -> Expr:
    """The greatest integer not above x."""
    return n.Unary("floor", lift(x))


def sign(x: Any) -> Expr:
    """-1, 0 or 1."""
    return n.Unary("sign", lift(x))


def lgamma(x: Any) -> Expr:
    """The logarithm of the gamma function."""
    return n.Unary("lgamma", lift(x))


def digamma(x: Any) -> Expr:
    """The derivative of the logarithm of the gamma function."""
    return n.Unary("digamma", lift(x))


def sqrt(x: Any) -> Expr:
    """The square root, x to the power 1/2."""
    return n.Pow(lift(x), n.Number(0.5, None))


@definition("clip")
def clip(x: Any, low: Any, high: Any) -> Expr:
    """x held between two bounds: min(max(x, low), high)."""
    return n.Extremum("min", n.Extremum("max", x, low), high)


# --- reductions ------------------------------------------------------------------------------------------------
def mean(x: Any) -> Expr:
    """The mean over all data axes, masked rows left out: sum m x / sum m."""
    return n.Reduce("mean", lift(x), "data")


def sum(x: Any) -> Expr:
    """The sum over all data axes, masked rows left out."""
    return n.Reduce("sum", lift(x), "data")


def data_min(x: Any) -> Expr:
    """The least value over all data axes, masked rows left out."""
    return n.Reduce("min", lift(x), "data")


def data_max(x: Any) -> Expr:
    """The greatest value over all data axes, masked rows left out."""
    return n.Reduce("max", lift(x), "data")


@definition("std")
def std(x: Any) -> Expr:
    """The population standard deviation over all data axes."""
    return sqrt(mean((x - mean(x)) ** 2))


@definition("standardize")
def standardize(x: Any) -> Expr:
    """(x - mean x) / (std x + 1e-8), over all data axes (the minibatch in a Minimize), population std."""
    return (x - mean(x)) / (std(x) + 1e-8)


def sum_event(x: Any) -> Expr:
    """The sum over the coordinates of an event."""
    return n.Reduce("sum", lift(x), "event")


@definition("sqnorm")
def sqnorm(x: Any) -> Expr:
    """The squared Euclidean norm of an event: the sum of the squares of its coordinates."""
    return sum_event(x**2)


@definition("dot")
def dot(x: Any, y: Any) -> Expr:
    """The inner product of two events."""
    return sum_event(x * y)


def reduce_index(op: str, x: Expr, axes: tuple[str, ...]) -> Expr:
    """A reduction over index axes, by name; without a name there must be just one."""
    return n.Reduce(op, x, axes or (only_index(x, op),))


def only_index(x: Expr, verb: str) -> str:
    """The name of the one index axis of an expression.

    Raises:
        ExpressionError: when it has none, or several.
    """
    index = x.type.index
    if len(index) == 1:
        return index[0].name
    if not index:
        raise ExpressionError(
            f"{show(x)} has no index axis for {verb}; over the data it is pr.{verb}(x), over an event pr.sum_event(x)"
        )
    names = ", ".join(f"'{a.name}'" for a in index)
    raise ExpressionError(
        f"{show(x)} has the index axes {names}: name the one you mean, as in .{verb}('{index[0].name}')"
    )


# --- axes ------------------------------------------------------------------------------------------------------
def arg(op: str, x: Expr, axis: str | None) -> Expr:
    """The index of the extremum along an index axis."""
    return n.Arg(op, x, axis or only_index(x, f"arg{op}"))


def at(x: Expr, **indices: Any) -> Expr:
    """The entries at indices of named axes."""
    for axis, index in indices.items():
        x = n.At(x, axis, lift(index))
    return x


def getitem(x: Expr, index: Any) -> Expr:
    """``x[i]``: along the axis that the index is named after, else along the only index axis."""
    if isinstance(index, (slice, tuple)):
        raise ExpressionError(f"{show(x)}[...]: axes are named, so index one of them: x.at(axis=i)")
    index = lift(index)
    if isinstance(index, n.Symbol) and any(index.name == a.name for a in x.type.index):
        return n.At(x, index.name, index)
    return n.At(x, only_index(x, "at"), index)


def rename(x: Expr, **names: str) -> Expr:
    """The same value with axes called otherwise."""
    for source, target in names.items():
        x = n.Rename(x, source, target)
    return x


def to_event(x: Expr, axis: str) -> Expr:
    """An index axis as the last dimension of the event."""
    return n.Rename(x, axis, None)


def to_axis(x: Expr, axis: str) -> Expr:
    """The last dimension of the event as an index axis."""
    return n.Rename(x, None, axis)


def index(axis: str | Axis) -> Expr:
    """0, 1, 2, ... along an axis."""
    return n.Range(axis if isinstance(axis, Axis) else index_axis(axis), None)


def stack(items: Iterable[Any], axis: str) -> Expr:
    """Values side by side along a new index axis."""
    return n.Join(tuple(lift(i) for i in items), index_axis(axis))


def concatenate(*items: Any) -> Expr:
    """Scalars and vectors one after another in one event."""
    return n.Join(tuple(lift(i) for i in items), None)


def named(x: Expr, name: str) -> Expr:
    """The same value under a name of its own."""
    return n.Definition(NamedHead(name), (x,))


def stop_gradient(x: Any) -> Any:
    """The value, through which no gradient passes; of an applied distribution, the one with its parameters held."""
    if hasattr(x, "held"):
        return x.held()
    if isinstance(x, tuple):
        held = [stop_gradient(i) for i in x]
        return type(x)(*held) if hasattr(x, "_fields") else tuple(held)
    return n.StopGradient(lift(x))


# --- softmax family --------------------------------------------------------------------------------------------
def _over(x: Any, axis: str | None, name: str, function: Any) -> Expr:
    x = lift(x)
    return n.Definition(FunctionHead(name, function, (("axis", axis or only_index(x, name)),)), (x,))


def _logsumexp(x: Expr, *, axis: str) -> Expr:
    shift = n.StopGradient(n.Reduce("max", x, (axis,)))
    return log(n.Reduce("sum", exp(x - shift), (axis,))) + shift


def _log_softmax(x: Expr, *, axis: str) -> Expr:
    return x - logsumexp(x, axis)


def _softmax(x: Expr, *, axis: str) -> Expr:
    return exp(log_softmax(x, axis))


def logsumexp(x: Any, axis: str | None = None) -> Expr:
    """log of the sum of exponentials along an index axis."""
    return _over(x, axis, "logsumexp", _logsumexp)


def log_softmax(x: Any, axis: str | None = None) -> Expr:
    """x - logsumexp(x) along an index axis."""
    return _over(x, axis, "log_softmax", _log_softmax)


def softmax(x: Any, axis: str | None = None) -> Expr:
    """exp(x) / sum exp(x) along an index axis."""
    return _over(x, axis, "softmax", _softmax)


# --- randomness ------------------------------------------------------------------------------------------------
_uids = itertools.count()


def fresh_noise(
    law: str, like: Expr | None, extra: tuple[tuple[Axis, int], ...] = (), options: tuple[Any, ...] = ()
) -> Expr:
    """A new source of randomness: two calls are two values."""
    return n.Noise(next(_uids), law, like, extra, options)


def noise(like: Any, n: int | None = None, axis: str | None = None, law: str = "normal") -> Expr:
    """Fresh noise, standard normal unless a law is named, of the axes and event shape of an expression.

    Args:
        like: the expression whose shape it takes.
        n: with ``axis``, how many along a new index axis.
        axis: the name of that axis.
        law: "normal", "uniform" (on [0, 1)), "rademacher" or "gumbel".
    """
    if (n is None) != (axis is None):
        raise ExpressionError("pr.noise(like=x, n=..., axis=...): the number and the name of the new axis go together")
    extra = () if axis is None or n is None else ((index_axis(axis), n),)
    return fresh_noise(law, lift(like), extra)


def rows_of(*conditions: Expr) -> Expr | None:
    """A scalar with the axes of the conditions, for a draw that needs only their rows; None without conditions."""
    if not conditions:
        return None
    axes: dict[str, Axis] = {}
    for c in conditions:
        axes.update({a.name: a for a in c.type.axes})
    return Rows(tuple(axes.values()), conditions) if axes else None


def Rows(axes: tuple[Axis, ...], conditions: tuple[Expr, ...]) -> Expr:
    """One per row of the conditions: their shape without their event."""
    total = None
    for c in conditions:
        flat = n.Reduce("sum", c, "event") if c.type.rank != 0 else c
        total = flat if total is None else total + flat
    assert total is not None
    return total


__all__ = [
    name
    for name in dir()
    if not name.startswith("_") and name not in {"annotations", "itertools", "Any", "Iterable", "BATCH"}
]

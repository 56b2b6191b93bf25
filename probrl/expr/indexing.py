"""Axes: entries, names, events, values side by side; names for values; the stop of a gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis, index_axis
from probrl.expr.base import Expr, show
from probrl.expr.definition import NamedHead
from probrl.expr.lifting import lift
from probrl.expr.reductions import only_index


def arg(op: str, x: Expr, axis: str | None) -> Expr:
    """The index of the extremum along an index axis."""
    return n.Arg(op, x, axis or only_index(x, f"arg{op}"))


def at(x: Expr, **indices: Any) -> Expr:
    """The entries at indices of named axes."""
    for axis, index in indices.items():
        x = n.At(x, axis, _whole(x, index))
    return x


def _whole(x: Expr, index: Any) -> Expr:
    """An index as an expression."""
    index = lift(index)
    if isinstance(index, n.Number) and index.value != int(index.value):
        raise ExpressionError(f"{show(x)}[{index.value}]: an index is a whole number, or a formula of them")
    return index


def getitem(x: Expr, index: Any) -> Expr:
    """``x[i]``: along the axis that the index is named after, else along the only index axis."""
    if isinstance(index, (slice, tuple)):
        raise ExpressionError(f"{show(x)}[...]: axes are named, so index one of them: x.at(axis=i)")
    index = _whole(x, index)
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
    """0, 1, 2, ... along an axis.

    Example:
        >>> import torch, probrl as pr
        >>> r = pr.symbols("r", axes="time")
        >>> discounted = 0.5 ** pr.index("time") * r
        >>> discounted({"r": torch.ones(1, 4)})
        tensor([[1.0000, 0.5000, 0.2500, 0.1250]])
    """
    return n.Range(axis if isinstance(axis, Axis) else Axis(axis, data=False, open=True), None)


def stack(items: Iterable[Any], axis: str) -> Expr:
    """Values stacked along a new index axis.

    Example:
        >>> import torch, probrl as pr
        >>> x, y = pr.symbols("x y")
        >>> both = pr.stack([x, y], "k")
        >>> print(both.max("k"))
        max_k[stack_k(x, y)]
        >>> both.max("k")({"x": torch.tensor([1.0, 4.0]), "y": torch.tensor([2.0, 3.0])})
        tensor([2., 4.])
    """
    return n.Join(tuple(lift(i) for i in items), index_axis(axis))


def concatenate(*items: Any) -> Expr:
    """Scalars and vectors concatenated into one vector.

    Example:
        >>> import torch, probrl as pr
        >>> x, z = pr.symbols("x"), pr.symbols("z", rank=1)
        >>> pr.concatenate(x, z)({"x": torch.tensor([1.0]), "z": torch.tensor([[2.0, 3.0]])})
        tensor([[1., 2., 3.]])
    """
    return n.Join(tuple(lift(i) for i in items), None)


def named(x: Expr, name: str, meaning: str = "") -> Expr:
    """The same value under a name of its own."""
    return n.Definition(NamedHead(name, meaning), (x,))


def stop_gradient(x: Any) -> Any:
    """The same value without a gradient; for an applied distribution, the same one with its parameters held fixed.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> y = pr.stop_gradient(x) * x
        >>> print(y)
        sg[x] x
        >>> pr.grad(y, x)({"x": torch.tensor([3.0])})
        tensor([3.])
    """
    if hasattr(x, "held"):
        return x.held()
    if isinstance(x, tuple):
        held = [stop_gradient(i) for i in x]
        return type(x)(*held) if hasattr(x, "_fields") else tuple(held)
    return n.StopGradient(lift(x))

"""Axes and rank of a value, and how those of several go together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from probrl.errors import ExpressionError
from probrl.expr.axes import Axis
from probrl.expr.base import Expr, show


class Type(NamedTuple):
    """What a value looks like: its axes in the order of its dimensions, then ``rank`` event dimensions.

    A rank of None belongs to a symbol whose declaration is still open, and to what is built on it alone.
    """

    axes: tuple[Axis, ...]
    rank: int | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the axes."""
        return tuple(a.name for a in self.axes)

    @property
    def data(self) -> tuple[Axis, ...]:
        """The axes of the data."""
        return tuple(a for a in self.axes if a.data)

    @property
    def index(self) -> tuple[Axis, ...]:  # type: ignore[override]
        """The index axes."""
        return tuple(a for a in self.axes if not a.data)

    def axis(self, name: str) -> Axis:
        """The axis of a name; KeyError if there is none."""
        for a in self.axes:
            if a.name == name:
                return a
        raise KeyError(name)

    def __str__(self) -> str:
        kind = {None: "of open rank", 0: "scalar", 1: "vector"}.get(self.rank, f"rank {self.rank}")
        return f"{kind} over ({', '.join(self.names)})" if self.axes else f"{kind} without axes"


def join(node: Expr, types: Iterable[Type]) -> tuple[Axis, ...]:
    """The union of the axes, the longest first so that most values need no re-ordering."""
    ordered = sorted(types, key=lambda t: -len(t.axes))
    union: dict[str, Axis] = {}
    for t in ordered:
        missing = []
        for axis in t.axes:
            known = union.get(axis.name)
            if known is None:
                missing.append(axis)
            elif known.open:
                union[axis.name] = axis
            elif known != axis and not axis.open:
                raise ExpressionError(_clash(node, known, axis))
        union = {**{a.name: a for a in missing if a.data}, **union, **{a.name: a for a in missing if not a.data}}
    sources = {a.source for a in union.values() if a.data}
    if len(sources) > 1:
        raise ExpressionError(
            f"{describe(node)}: columns of two data sources meet ({', '.join(str(s or 'batch') for s in sources)}), "
            "and their rows have nothing to do with each other; reduce each with pr.mean first"
        )
    return tuple(union.values())


def _clash(node: Expr, known: Axis, other: Axis) -> str:
    if known.data != other.data:
        return (
            f"{describe(node)}: the axis '{known.name}' is an axis of the data here and an index there; "
            f"rename the index with x.rename({known.name}='j')"
        )
    return (
        f"{describe(node)}: the axis '{known.name}' is declared twice, with mask {known.mask!r} and with mask "
        f"{other.mask!r}; declare it once: {known.name} = pr.Axis('{known.name}', mask=...)"
    )


def describe(node: Expr) -> str:
    """The formula that a message is about, as text (its class while its type is still unknown)."""
    try:
        return show(node)
    except Exception:  # the node is refused while it is being built: readings may not cope with it
        return type(node).__name__


def pointwise(node: Expr, *parts: Expr, scaling: bool = False) -> Type:
    """The rule of elementwise nodes: ranks agree, except that what does not vary goes with every rank.

    Args:
        node: the node, for the message.
        parts: its operands.
        scaling: whether a scalar may also vary (a product).
    """
    types = [p.type for p in parts]
    axes = join(node, types)
    known = [t.rank for t in types if t.rank]
    if len(set(known)) > 1:
        raise ExpressionError(
            f"{describe(node)}: ranks differ ({', '.join(map(str, types))}); reduce with pr.sqnorm or pr.dot"
        )
    if known:
        for part, t in zip(parts, types, strict=True):
            if t.rank == 0 and t.axes and not scaling:
                vector = next(p for p in parts if p.type.rank)
                raise ExpressionError(
                    f"{describe(node)}: {describe(part)} is a {t} and {describe(vector)} is a {vector.type}; "
                    f"reduce the vector (pr.sqnorm, pr.dot, pr.sum_event) or declare the symbol with rank={known[0]}"
                )
        return Type(axes, known[0])
    if all(t.rank == 0 for t in types):
        return Type(axes, 0)
    settled = not scaling and any(t.rank == 0 and t.axes for t in types)
    return Type(axes, 0 if settled else None)

"""The words and derivatives of the reader, over tensors whose dimensions are called by letters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.laws.reader import Name

EVENT = "*"  # the name of the last dimension of a vector


class Value:
    """A tensor and the names of its dimensions."""

    def __init__(self, names: tuple[str, ...], data: Tensor) -> None:
        self.names, self.data = names, data if data.is_floating_point() else data.to(torch.float64)

    def laid(self, names: tuple[str, ...]) -> Tensor:
        """With one dimension per name, of size 1 where it has none."""
        order = [self.names.index(m) for m in names if m in self.names]
        shape = [self.data.shape[self.names.index(m)] if m in self.names else 1 for m in names]
        return self.data.permute(order).reshape(shape)

    def called(self, old: str, new: str) -> Value:
        return Value(tuple(new if m == old else m for m in self.names), self.data)

    def size(self, name: str) -> int:
        return self.data.shape[self.names.index(name)]


def union(*values: Value) -> tuple[str, ...]:
    """All names, the event's last."""
    names = dict.fromkeys(m for v in values for m in v.names)
    return (*(m for m in names if m != EVENT), *((EVENT,) if EVENT in names else ()))


def pointwise(function: Callable[..., Tensor], *values: Value) -> Value:
    names = union(*values)
    return Value(names, function(*(v.laid(names) for v in values)))


def over(function: Callable[[Tensor, int], Tensor], x: Value, names: tuple[str, ...]) -> Value:
    for name in names:
        if name in x.names:
            x = Value(tuple(m for m in x.names if m != name), function(x.data, x.names.index(name)))
    return x


class Words:
    """What the functions that a page does not explain are worth; :meth:`value` works out their arguments."""

    sizes: dict[str, int]
    known: dict[Name, Any]
    cut: list[tuple[Any, Value]]

    def word_clip(self, axes: list[str], x: Any, low: Any, high: Any) -> Value:
        return pointwise(lambda v, a, b: torch.minimum(torch.maximum(v, a), b), *map(self.value, (x, low, high)))

    def word_where(self, axes: list[str], condition: Any, x: Any, y: Any) -> Value:
        return pointwise(lambda c, a, b: torch.where(c != 0, a, b), *map(self.value, (condition, x, y)))

    def word_softmax(self, axes: list[str], x: Any) -> Value:
        found = self.value(x)
        return Value(found.names, found.data.softmax(found.names.index(axes[0])))

    def word_log_softmax(self, axes: list[str], x: Any) -> Value:
        return pointwise(torch.log, self.word_softmax(axes, x))

    def word_logsumexp(self, axes: list[str], x: Any) -> Value:
        return over(torch.logsumexp, self.value(x), (axes[0],))

    def word_stack(self, axes: list[str], *items: Any) -> Value:
        found = [self.value(i) for i in items]
        names = union(*found)
        return Value((axes[0], *names), torch.stack(torch.broadcast_tensors(*(f.laid(names) for f in found))))

    def word_concat(self, axes: list[str], *items: Any) -> Value:
        found = [self.value(i) for i in items]
        names = tuple(m for m in union(*found) if m != EVENT)
        laid = [f.laid((*names, EVENT)) for f in found]
        shape = torch.broadcast_shapes(*(x.shape[:-1] for x in laid))
        return Value((*names, EVENT), torch.cat([x.expand(*shape, x.shape[-1]) for x in laid], -1))

    def word_vec(self, axes: list[str], x: Any) -> Value:
        found = self.value(x)
        rest = tuple(m for m in found.names if m != axes[0])
        return Value((*rest, EVENT), found.laid((*rest, axes[0])))

    def word_next(self, axes: list[str], x: Any) -> Value:
        return self.read(self.value(x), Name("", (), (), 0), axes[0], 1)

    def word_prev(self, axes: list[str], x: Any, first: Any) -> Value:
        """What was before; ``first`` at the start and after a row that does not count."""
        found, axis = self.value(x), axes[0]
        dim, length = found.names.index(axis), found.size(axis)
        before = Value(found.names, found.data.index_select(dim, (torch.arange(length) - 1).clamp(0)))
        return pointwise(lambda k, a, b: torch.where(k != 0, a, b), self.started(axis), before, self.value(first))

    def started(self, axis: str) -> Value:
        """Where the row before counts: the page says so by its mask."""
        length = self.sizes[axis]
        inside = Value((axis,), torch.arange(length) > 0)
        mask = next((v for k, v in self.known.items() if k.base == r"\mathrm{valid}"), None)
        if mask is None or axis not in mask.names:
            return inside
        dim = mask.names.index(axis)
        ahead = Value(mask.names, mask.data.index_select(dim, (torch.arange(length) - 1).clamp(0)))
        return pointwise(torch.mul, inside, ahead)

    # --- derivatives: what is named is a variable of its own -------------------------------------------------------
    def _free(
        self, y: Any, variables: list[Any], along: list[Value] | None = None
    ) -> tuple[Callable[..., Value], list[Value]]:
        """y as a function of the named formulas, and their values, spread over all rows of y and of the tangents."""
        values = [self.value(v) for v in variables]
        everything = [self.value(y), *values, *(along or ())]
        rows = [m for m in union(*everything) if m != EVENT]
        spread = []
        for v in values:
            names = (*rows, EVENT) if EVENT in v.names else tuple(rows)
            shape = [max(w.size(m) for w in everything if m in w.names) for m in rows]
            laid = v.laid(names)
            spread.append(Value(names, laid.expand(*shape, *laid.shape[len(rows) :]).clone()))

        def at(*data: Tensor) -> Value:
            before = self.cut
            self.cut = [*((t, Value(v.names, d)) for t, v, d in zip(variables, spread, data, strict=True)), *before]
            try:
                return self.value(y)
            finally:
                self.cut = before

        return at, spread

    def _grad(self, x: Any, y: Any) -> Value:
        at, (value,) = self._free(y, [x])
        return Value(value.names, torch.func.grad(lambda v: at(v).data.sum())(value.data))

    def _jvp(self, y: Any, *along: Any) -> Value:
        tangents = [self.value(a[2]) for a in along]
        at, values = self._free(y, [a[1] for a in along], tangents)
        laid = tuple(t.laid(v.names).expand_as(v.data).clone() for t, v in zip(tangents, values, strict=True))
        names: list[tuple[str, ...]] = []

        def body(*xs: Tensor) -> Tensor:
            names.append(at(*xs).names)
            return at(*xs).data

        _, out = torch.func.jvp(body, tuple(v.data for v in values), laid)
        return Value(names[-1], out)

    def word_div(self, axes: list[str], y: Any, x: Any) -> Value:
        at, (value,) = self._free(y, [x])
        found = []
        for d in range(value.data.shape[-1]):

            def entry(v: Tensor, d: int = d) -> Tensor:
                return at(v).data.select(-1, d).sum()

            found.append(torch.func.grad(entry)(value.data).select(-1, d))
        return Value(tuple(m for m in value.names if m != EVENT), torch.stack(found).sum(0))

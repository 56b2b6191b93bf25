"""Columns as a formula declares them: what is missing, mis-shaped or of the wrong kind is refused by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from probrl.errors import DataError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.expr.traversal import everything, executed, walk
from probrl.graph.events import agree

ARITHMETIC = (n.Add, n.Mul, n.Pow, n.Unary, n.Extremum, n.Reduce)


def sources_of(symbols: Iterable[n.Symbol]) -> tuple[str, ...]:
    """The named data sources of columns."""
    return tuple(dict.fromkeys(a.source for s in symbols for a in s.axes if a.data and a.source is not None))


def entries(batch: Any, sources: Iterable[str] = ()) -> dict[str, Any]:
    """The columns of a batch by name; of a dict of batches, those of all sources (the default one is called ``batch``).

    Errors:
        DataError: when it is nothing with names, or lacks a source.
    """
    if not hasattr(batch, "keys"):
        raise DataError(f"a batch is a dict from names to tensors, not a {type(batch).__name__}")
    found = {str(k): batch[k] for k in batch.keys()}  # noqa: SIM118 - a TensorDict iterates over its rows
    for source in sources:
        if not hasattr(found.get(source), "keys"):
            raise DataError(
                f"the formula reads the data source '{source}': give a dict of batches, {{'batch': {{...}}, '{source}': {{...}}}}, "
                f"not one with {', '.join(found) or 'nothing'}"
            )
    if sources:
        parts = [found.pop(source) for source in sources]
        parts.append(found.pop("batch") if hasattr(found.get("batch"), "keys") else {})
        for part in parts:
            found.update({str(k): part[k] for k in part.keys()})  # noqa: SIM118
    return found


def masks_of_next(roots: Iterable[Expr]) -> list[str]:
    """The masks of the axes along which formulas read the row after."""
    shifts = (x for x in walk(*roots, through=executed) if isinstance(x, n.Shift) and x.offset > 0)
    return list(dict.fromkeys(str(x.x.type.axis(x.axis).mask) for x in shifts))


def has_ends(columns: Mapping[str, Any], masks: Iterable[str]) -> None:
    """Refuses data that would make ``pr.next`` read past the end of an episode.

    Errors:
        DataError: when a last row is valid.
    """
    for mask in masks:
        valid = columns.get(mask)
        if isinstance(valid, Tensor) and bool(valid[..., -1].any()):
            raise DataError(
                f"the last row along time is valid ('{mask}' is true there), and pr.next reads the row after it: end every episode with "
                "one more row that holds its last observation and is not valid"
            )


def times_in(roots: Iterable[Expr]) -> list[str]:
    """The columns that formulas read as times of a path."""
    definitions = (x for x in walk(*roots, through=everything) if isinstance(x, n.Definition))
    found = (t.name for x in definitions for t in x.head.timed(*x.args) if isinstance(t, n.Symbol))
    return list(dict.fromkeys(found))


def are_times(columns: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuses times outside of [0, 1].

    Errors:
        DataError: naming the column and how many rows of it are outside.
    """
    for name in names:
        t = columns.get(name)
        if isinstance(t, Tensor) and t.numel() and not bool(((t >= 0) & (t <= 1)).all()):
            outside = int((~((t >= 0) & (t <= 1))).sum())
            raise DataError(
                f"the batch's '{name}' is a time, from 0 (data) to 1 (noise): {outside} of {t.numel()} are outside"
            )


def without_idle_rows(
    columns: Mapping[str, Any], symbols: Mapping[str, n.Symbol], read: Iterable[str]
) -> dict[str, Any]:
    """The columns with zeros in the rows that do not count, so that nothing that stands there can spoil a gradient.

    Args:
        columns: by name.
        symbols: their declarations.
        read: the masks whose idle rows are read after all: those of ``pr.next``.
    """
    kept = dict(columns)
    for name, symbol in symbols.items():
        column = kept.get(name)
        if isinstance(column, Tensor) and column.is_floating_point():
            for axis in symbol.axes:
                mask = kept.get(axis.mask) if axis.mask is not None and axis.mask not in (name, *read) else None
                across = _across(mask, axis, symbol, column) if isinstance(mask, Tensor) else None
                if across is not None:
                    kept[name] = column = torch.where(across, column, 0.0)
    return kept


def _across(mask: Tensor, axis: Axis, symbol: n.Symbol, column: Tensor) -> Tensor | None:
    """A mask as a boolean with the dimensions of a column; None where they do not fit, which is refused elsewhere."""
    own = [a for a in symbol.axes if a.data and (a == axis or a.mask is None)]
    sizes = [size if a in own else 1 for a, size in zip(symbol.axes, column.shape, strict=False)]
    expected = tuple(size for a, size in zip(symbol.axes, column.shape, strict=False) if a in own)
    if tuple(mask.shape) != expected or column.dim() < len(symbol.axes):
        return None
    return (mask != 0).reshape(*sizes, *([1] * (column.dim() - len(sizes))))


def _meant(x: Expr) -> Expr:
    """What a definition that is only another name stands for."""
    while isinstance(x, n.Definition):
        x = x.body
    return x


class Columns:
    """The columns that formulas read, and the check that a batch has them.

    Args:
        symbols: by name.
        roots: the formulas, to know which columns take part in arithmetic.
        flat: whether the data axes are one.
    """

    def __init__(self, symbols: Mapping[str, n.Symbol], roots: Iterable[Expr], flat: bool):
        self.symbols, self.flat, self.roots = dict(symbols), flat, tuple(roots)
        self.numbers: set[str] = set()
        self.masks = {a.mask for s in symbols.values() for a in s.axes if a.mask}
        for node in walk(*self.roots, through=executed):
            if isinstance(node, ARITHMETIC):
                self.numbers.update(c.name for c in map(_meant, executed(node)) if isinstance(c, n.Symbol))
        indices = (x.index for x in walk(*self.roots, through=executed) if isinstance(x, n.At))
        self.indices = {i.name for i in indices if isinstance(i, n.Symbol)}
        self.sources = sources_of(self.symbols.values())
        self._seen: set[Any] = set()

    def take(self, batch: Mapping[str, Any]) -> list[Any]:
        """The columns in order, checked once for each combination of shapes and types.

        Errors:
            DataError: when one is missing (the nearest name is given), mis-shaped, or integer where numbers are meant.
        """
        try:
            taken = [batch[name] for name in self.symbols]
        except KeyError as missing:
            raise DataError(self._missing(missing.args[0], batch)) from None
        key = tuple((t.shape, t.dtype) if isinstance(t, Tensor) else None for t in taken)
        if key not in self._seen:
            self._check(batch)
            self._seen.add(key)
        if not any(isinstance(t, Tensor) and t.dtype is torch.bool for t in taken):
            return taken
        floating = (t.dtype for t in taken if isinstance(t, Tensor) and t.is_floating_point())
        dtype = next(floating, torch.get_default_dtype())
        return [self._indicator(name, t, dtype) for name, t in zip(self.symbols, taken, strict=True)]

    def _indicator(self, name: str, column: Any, dtype: torch.dtype) -> Any:
        counts = name not in self.masks or name in self.numbers  # a column that is only a mask stays one
        return column.to(dtype) if isinstance(column, Tensor) and column.dtype is torch.bool and counts else column

    def _missing(self, name: str, batch: Mapping[str, Any]) -> str:
        near = difflib.get_close_matches(name, list(batch.keys()), 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return f"the batch has no entry '{name}' (it has {', '.join(sorted(map(str, batch.keys()))) or 'none'}){hint}"

    def _check(self, batch: Mapping[str, Any]) -> None:
        sizes: dict[str, tuple[int, str]] = {}
        for name, symbol in self.symbols.items():
            column = batch[name]
            if not isinstance(column, Tensor):
                if symbol.rank is not None:
                    raise DataError(
                        f"the batch's '{name}' is a {type(column).__name__}; give a tensor: torch.as_tensor(...)"
                    )
                continue
            axes = [a.name for a in symbol.axes]
            if self.flat:
                axes = axes[:1] + [a.name for a in symbol.axes[1:] if not a.data]
            self._shape(name, symbol, column, axes)
            for axis, size in zip(axes, column.shape, strict=False):
                known = sizes.setdefault(axis, (size, name))
                if known[0] != size:
                    raise DataError(
                        f"the batch's '{name}' has {size} along '{axis}' and '{known[1]}' has {known[0]}: columns must agree"
                    )
            if name in self.indices and column.is_floating_point():
                raise DataError(
                    f"the batch's '{name}' holds numbers ({column.dtype}) where the formula takes an integer index; give batch['{name}'].long()"
                )
            integer = not column.is_floating_point() and column.dtype is not torch.bool
            if integer and name in self.numbers and name not in self.masks:
                raise DataError(
                    f"the batch's '{name}' holds integers ({column.dtype}) where the formula does arithmetic; give batch['{name}'].float()"
                )
        vectors = ((name, batch[name]) for name, symbol in self.symbols.items() if symbol.rank == 1)
        agree(self.roots, {name: x.shape[-1] for name, x in vectors if isinstance(x, Tensor)})

    def _shape(self, name: str, symbol: n.Symbol, column: Tensor, axes: list[str]) -> None:
        expected = len(axes) + (symbol.rank or 0)
        wrong = column.dim() < len(axes) if symbol.rank is None else column.dim() != expected
        if wrong:
            layout = ", ".join([*axes, *(["event"] * (symbol.rank or 0))])
            hint = (
                f"; squeeze it: batch['{name}'].squeeze(-1)"
                if column.dim() == expected + 1 and column.shape[-1] == 1
                else (
                    f"; or declare pr.symbols('{name}', rank={column.dim() - len(axes)})"
                    if column.dim() > expected
                    else ""
                )
            )
            raise DataError(
                f"the batch's '{name}' has the shape {tuple(column.shape)}, and the formula declares ({layout}){hint}"
            )

"""A data set as a dict of tensors with one row per point, whatever it came as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, TensorDataset, default_collate

from probrl.data.files import read
from probrl.errors import DataError
from probrl.nested import each, parts

UNNAMED = ("x", "c")
"""What tensors without names are called: the points, then their condition."""


def columns(
    source: Any, names: Sequence[str] | None = None, dtype: torch.dtype | None = torch.float32
) -> dict[str, Any]:
    """The columns of a data set, checked: one tensor per name, with one row per point.

    Args:
        source: a tensor or array, or lists of numbers; a dict of them, nested if need be; a tuple of arrays; a torch ``TensorDataset`` or another
            ``Dataset`` with a length, whose items are tensors, tuples or dicts; a path of a file, see
            :func:`probrl.data.files.read`.
        names: which columns to take; for tensors that have no names, what they are called, ("x", "c") by default.
        dtype: of columns of floating numbers; None leaves them as they are. Whole numbers and booleans stay.

    Shapes:
        Every column is (N, ...), N alike for all.

    Errors:
        DataError naming the column and what is wrong: no array, none of that name, no rows, lengths that differ, NaN or
        infinity, numbers that are none.

    Example:
        >>> {name: tuple(column.shape) for name, column in columns((torch.zeros(5, 2), torch.arange(5))).items()}
        {'x': (5, 2), 'c': (5,)}
    """
    where = f"{source}: " if isinstance(source, str | Path) else ""
    found = _named(read(source) if where else source, names, where)
    if not list(parts(found)):
        raise DataError(f"{where}the data set has no array")
    table = {name: each(lambda array: array, column) for name, column in found.items()}
    flat = {path: _tensor(f"{where}column {path!r}", array, dtype) for path, array in parts(table)}
    lengths = {path: len(column) for path, column in flat.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{path!r} {n}" for path, n in lengths.items())
        raise DataError(f"{where}columns of one data set have one row per point each; their rows are: {told}")
    paths = iter(flat.values())
    return {name: each(lambda _: next(paths), column) for name, column in table.items()}


def _named(found: Any, names: Sequence[str] | None, where: str) -> dict[str, Any]:
    """Columns by name, those that were asked for."""
    if isinstance(found, TensorDataset):
        found = found.tensors
    elif isinstance(found, IterableDataset):
        raise DataError("a data set that is only iterated over has no length: collect its rows into a dict of tensors")
    elif isinstance(found, Dataset):
        found = _collected(found)
    if hasattr(found, "keys"):
        known = {str(name): found[name] for name in found.keys()}  # noqa: SIM118 - a TensorDict iterates over its rows
        if missing := [name for name in names or () if name not in known]:
            raise DataError(f"{where}there is no column {missing[0]!r}, only {', '.join(map(repr, known)) or 'none'}")
        return {name: known[name] for name in names} if names else known
    several = isinstance(found, tuple | list) and any(hasattr(x, "shape") for x in found)
    arrays = list(found) if several else [found]  # a list of plain numbers is one array
    names = UNNAMED if names is None else names
    if len(arrays) > len(names):
        raise DataError(
            f"{where}{len(arrays)} arrays, and {len(names)} names for them, {', '.join(map(repr, names))}: give a dict of arrays by "
            "name, as in {'x': points, 'c': labels}"
        )
    return dict(zip(names, arrays, strict=False))


def _collected(rows: Any) -> Any:
    """All items of a torch Dataset, stacked."""
    try:
        n = len(rows)
    except TypeError as error:
        raise DataError("this Dataset has no length: collect its rows into a dict of tensors") from error
    if n == 0:
        raise DataError("the data set is empty: it has no rows")
    items = [rows[i] for i in range(n)]
    try:
        return default_collate(items)
    except KeyError as error:
        raise DataError(f"the items of this Dataset do not stack into tensors: one lacks the key {error}") from error
    except (RuntimeError, TypeError) as error:
        raise DataError(f"the items of this Dataset do not stack into tensors: {error}") from error


def _tensor(name: str, array: Any, dtype: torch.dtype | None) -> Tensor:
    """One column as a tensor, or the reason why it is none."""
    column = array.detach() if isinstance(array, Tensor) else _from_numpy(name, array)
    if column.is_complex() or column.layout is not torch.strided:
        raise DataError(f"{name} is {column.dtype}, {column.layout}: a column holds real numbers, densely")
    if column.dim() == 0:
        raise DataError(f"{name} is a single number: a column has one row per point")
    if column.numel() == 0:
        raise DataError(f"the data set is empty: {name} has shape {tuple(column.shape)}")
    if not column.is_floating_point():
        return column
    column = column if dtype is None else column.to(dtype)
    bad = ~column.isfinite().reshape(len(column), -1).all(1)
    if bad.any():
        first = int(bad.nonzero()[0])
        raise DataError(f"{name} has NaN or infinity in {int(bad.sum())} of {len(column)} rows, first in row {first}")
    return column


def _from_numpy(name: str, array: Any) -> Tensor:
    import numpy

    if not isinstance(array, numpy.ndarray):
        if isinstance(array, str | bytes | Mapping) or not isinstance(array, Iterable):
            raise DataError(f"{name} is a {type(array).__name__}, not an array")
        try:
            array = numpy.asarray(array)
        except (ValueError, TypeError, RuntimeError) as error:
            raise DataError(f"{name} is no array: {error}") from error
    if array.dtype.kind not in "bfiuc":
        raise DataError(f"{name} holds {array.dtype} and not numbers")
    return torch.as_tensor(numpy.array(array, dtype=array.dtype.newbyteorder("=")))

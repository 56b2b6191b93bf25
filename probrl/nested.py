"""Columns that are dicts of columns: one function for what is done to every array in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def each(function: Callable[..., Any], column: Any, *others: Any) -> Any:
    """A function of a column; of a nested dict, of every array in it, beside the arrays of that name in the others.

    Example:
        >>> each(lambda x, y: x + y, {"a": 1, "b": {"c": 2}}, {"a": 10, "b": {"c": 20}})
        {'a': 11, 'b': {'c': 22}}
    """
    if isinstance(column, Mapping):
        return {name: each(function, part, *(other[name] for other in others)) for name, part in column.items()}
    return function(column, *others)


def parts(column: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The arrays in a column with their paths, such as ``"camera.left"``; a column that is one array has the path "".

    Example:
        >>> list(parts({"a": 1, "b": {"c": 2}}))
        [('a', 1), ('b.c', 2)]
    """
    if isinstance(column, Mapping):
        for key, part in column.items():
            yield from parts(part, f"{name}.{key}" if name else str(key))
    else:
        yield name, column

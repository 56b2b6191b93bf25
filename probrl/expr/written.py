"""Formulas of scalars as plain data, for manifests: schedules come back as they were."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.definition import FunctionHead, NamedHead
from probrl.expr.scalars import iteration, progress

SCALARS = {"progress": progress, "iteration": iteration}
NODES = {cls.__name__: cls for cls in (n.Add, n.Mul, n.Pow, n.Unary, n.Extremum, n.Compare, n.Where)}


def to_plain(formula: Expr) -> dict[str, Any] | None:
    """A formula of numbers and of the progress of training in plain types; None for any other.

    Example:
        >>> import probrl as pr
        >>> to_plain(2 * pr.progress)
        {'node': 'Mul', 'x': {'number': 2, 'letter': None}, 'y': {'scalar': 'progress'}}
        >>> to_plain(pr.symbols("x")) is None
        True
    """
    try:
        return _written(formula)
    except ValueError:
        return None


def _written(x: Expr) -> dict[str, Any]:
    if isinstance(x, n.Number):
        return {"number": x.value, "letter": x.letter}
    for name, scalar in SCALARS.items():
        if x is scalar:
            return {"scalar": name}
    if type(x).__name__ in NODES:
        fields = ((f, getattr(x, f)) for f in x.fields)
        return {"node": type(x).__name__, **{f: _written(v) if isinstance(v, Expr) else v for f, v in fields}}
    if isinstance(x, n.Definition) and isinstance(x.head, NamedHead):
        return {"named": x.head.name, "meaning": x.head.meaning, "x": _written(x.args[0])}
    if isinstance(x, n.Definition) and isinstance(x.head, FunctionHead) and type(x.head) is FunctionHead:
        where = f"{x.head.function.__module__}:{x.head.function.__qualname__}"
        written = {"function": where, "args": [_written(a) for a in x.args], "options": dict(x.head.options)}
        if where.startswith("probrl.") and from_plain(written) is x:
            return written
        return _written(x.body)
    raise ValueError(f"{x} is no formula of scalars")


def from_plain(plain: dict[str, Any]) -> Expr:
    """Reads back what :func:`to_plain` wrote.

    Errors:
        ValueError, KeyError, TypeError or AttributeError if it did not write it.
    """
    if "number" in plain:
        return n.Number(plain["number"], plain["letter"])
    if "scalar" in plain:
        return SCALARS[plain["scalar"]]
    if "named" in plain:
        return n.Definition(NamedHead(plain["named"], plain["meaning"]), (from_plain(plain["x"]),))
    if "function" in plain:
        module, _, name = str(plain["function"]).partition(":")
        if not module.startswith("probrl."):
            raise ValueError(f"{module} is no part of this package")
        function = getattr(import_module(module), name)
        found: Expr = function(*map(from_plain, plain["args"]), **plain["options"])
        return found
    cls = NODES[plain["node"]]
    values = (plain[f] for f in cls.fields)
    return cls(*(from_plain(v) if isinstance(v, dict) else v for v in values))

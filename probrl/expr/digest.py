"""A hash of what a formula runs: names do not matter, operators do."""

from __future__ import annotations

import hashlib
from typing import Any

from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.expr.traversal import executed, walk


def digest(*roots: Expr) -> str:
    """The SHA-256 of the canonical tree, 16 hexadecimal digits of it.

    Columns, axes, networks, scalars and noises are numbered in the order in which they occur, so that renaming one
    keeps the digest; definitions count as what they stand for.
    """
    lines: dict[Expr, int] = {}
    numbers: dict[Any, str] = {}
    text: list[str] = []

    def number(kind: str, thing: Any) -> str:
        key = (kind, thing)
        if key not in numbers:
            numbers[key] = f"{kind}{sum(k[0] == kind for k in numbers)}"
        return numbers[key]

    def spelled(value: Any) -> str:
        if isinstance(value, Expr):
            return f"#{lines[value]}"
        if isinstance(value, tuple):
            return f"({','.join(map(spelled, value))})"
        if isinstance(value, Axis):
            return f"{number('axis', value.name)}{'m' if value.mask else ''}{'d' if value.data else ''}"
        return repr(value)

    def named(node: Expr) -> list[str]:
        if isinstance(node, n.Symbol):
            kind = "column" if node.depth is None else f"bound{node.depth}."
            return [number(kind, node.name), spelled(node.rank), spelled(node.axes)]
        if isinstance(node, n.Number):
            return [spelled(node.value)]
        if isinstance(node, n.State):
            cell = node.cell
            return [number("cell", cell), cell.kind, spelled(cell.positive), spelled(cell.bounds)]
        if isinstance(node, n.Noise):
            return [number("noise", node.uid), node.law, spelled(node.extra), spelled(node.options)]
        if isinstance(node, n.Call):
            return [number("net", node.net), node.role, *(spelled(getattr(node, f)) for f in ("args", "rank", "lead"))]
        return [number("axis", v) if f in ("axis", "source", "target") and isinstance(v, str) else spelled(v)
                for f in node.fields for v in [getattr(node, f)]]  # fmt: skip

    for node in walk(*roots, through=executed):
        if isinstance(node, n.Definition):
            lines[node] = lines[node.body]
            continue
        lines[node] = len(text)
        text.append(f"{type(node).__name__}:{';'.join(named(node))}")
    text.append(",".join(str(lines[r]) for r in roots))
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]

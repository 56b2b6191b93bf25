"""Whether vectors that meet in a formula are of one size: a size of 1 is not stretched silently to that of the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from probrl.errors import DataError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.traversal import executed, walk
from probrl.networks.outputs import last_size

ALIKE = (n.Add, n.Mul, n.Pow, n.Extremum, n.Compare, n.Where)
SAME = (n.Unary, n.StopGradient, n.Shift, n.Definition, n.Reduce)


def agree(roots: Iterable[Expr], columns: Mapping[str, int]) -> None:
    """Refuses vectors of different sizes side by side, as far as columns and networks say how large vectors are.

    Args:
        roots: the formulas.
        columns: the size of each column that is a vector.

    Errors:
        DataError: naming both sides.
    """
    sizes: dict[Expr, int] = {}
    for node in walk(*roots, through=executed):
        if node.type.rank != 1:
            continue
        found = _size(node, sizes, columns)
        if found is not None:
            sizes[node] = found


def _size(node: Expr, sizes: Mapping[Expr, int], columns: Mapping[str, int]) -> int | None:
    if isinstance(node, n.Symbol):
        return columns.get(node.name) if node.depth is None else None
    if isinstance(node, n.Call):
        return last_size(node.net.module) if node.rank == 1 else None
    if isinstance(node, n.Item):
        return _part(node, sizes)
    known = [x for x in executed(node) if x in sizes]
    if isinstance(node, SAME) and known:
        return sizes[known[0]]
    if not isinstance(node, ALIKE) or not known:
        return None
    first, *others = known
    for other in others:
        if sizes[other] != sizes[first]:
            raise DataError(
                f"{show(node)}: {show(first)} has {sizes[first]} coordinates and {show(other)} has {sizes[other]}; "
                "vectors that meet are of one size: check the column against the network's outputs"
            )
    return sizes[first]


def _part(node: n.Item, sizes: Mapping[Expr, int]) -> int | None:
    whole = sizes.get(node.x)
    if whole is None or not isinstance(node.x, n.Call):
        return None
    if whole % node.count:
        raise DataError(
            f"{show(node.x)} puts out {whole} numbers, which are not {node.count} equal parts: give the network "
            f"{node.count} times as many outputs as a value has coordinates"
        )
    return whole // node.count

"""What an update moves: modules and scalars, resolved to parameters and their optimisers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.state import Cell
from probrl.graph.cells import tensor_of
from probrl.graph.optimizers import Optimizer


@dataclass
class Moved:
    """One thing that an update moves.

    Attributes:
        name: what it is called.
        source: the module or the scalar.
        parameters: its tensors, without those that an earlier entry of the same update moves already.
        every: all its tensors.
        optimizer: the rule that moves it.
        cells: of scalars among the parameters, their cells.
    """

    name: str
    source: Any
    parameters: list[Tensor]
    every: list[Tensor]
    optimizer: Optimizer
    cells: dict[int, Cell] = field(default_factory=dict)


def moved_by(wrt: Any, optimizer: Optimizer) -> tuple[Moved, ...]:
    """The entries of a ``wrt``.

    Errors:
        ExpressionError: when an entry cannot be moved, has nothing to move, or two optimisers claim one parameter.
    """
    entries = list(wrt.items()) if isinstance(wrt, Mapping) else [(item, optimizer) for item in _items(wrt)]
    if not entries:
        raise ExpressionError("wrt is empty: name what moves, as in wrt=[pi, V]")
    seen: dict[int, Optimizer] = {}
    found = []
    for item, how in entries:
        if not isinstance(how, Optimizer):
            shown = (
                repr(how) if isinstance(how, (int, float, str)) else f"a {type(how).__module__}.{type(how).__name__}"
            )
            raise ExpressionError(
                f"{shown} is no optimiser of a program: write optimizer=pr.Adam(3e-4), or wrt={{pi: pr.Adam(3e-4)}}"
            )
        parameters, cells = _parameters(item)
        own = []
        for p in parameters:
            if id(p) not in seen:
                seen[id(p)] = how
                own.append(p)
            elif seen[id(p)] is not how and seen[id(p)] != how:
                raise ExpressionError(
                    f"wrt: two optimisers claim a parameter that {label(item)} shares; list what is shared once"
                )
        found.append(Moved(label(item), item, own, parameters, how, cells))
    return tuple(found)


def _items(wrt: Any) -> Iterable[Any]:
    return wrt if isinstance(wrt, (list, tuple, set)) else (wrt,)


def _parameters(item: Any) -> tuple[list[Tensor], dict[int, Cell]]:
    if isinstance(item, n.State):
        if item.cell.kind != "parameter":
            raise ExpressionError(
                f"wrt={item.cell.name}: a pr.state moves by pr.Assign; a learnable scalar is pr.parameter({item.cell.name!r}, ...)"
            )
        return [tensor_of(item.cell)], {0: item.cell}
    if isinstance(item, Expr):
        raise ExpressionError(
            f"wrt={show(item)}: a formula does not move; name the distribution or the parameter, as in wrt=pi, not wrt=pi(s)"
        )
    if getattr(item, "role", "live") != "live":
        raise ExpressionError(
            f"wrt={item.notation}.{item.role}: the role '{item.role}' is not trained; pr.Polyak or pr.Snapshot moves it, and wrt names the distribution itself"
        )
    if not isinstance(item, nn.Module):
        raise ExpressionError(
            f"wrt={_shown(item)}: a distribution, a module or a pr.parameter can be moved; weights are named by the module that has them"
        )
    parameters: list[Tensor] = [p for p in item.parameters() if p.requires_grad]
    if not parameters:
        raise ExpressionError(f"wrt={label(item)} has no parameters to move: give it a network")
    return parameters, {}


def label(item: Any) -> str:
    """What an entry of ``wrt`` is called in names and messages."""
    if isinstance(item, n.State):
        return item.cell.name
    notation = getattr(item, "notation", None)
    return notation if isinstance(notation, str) else type(item).__name__


def _shown(item: Any) -> str:
    """What stands in wrt, on one line."""
    if isinstance(item, Tensor):
        return f"a {type(item).__name__} of shape {tuple(item.shape)}"
    return f"{item!r} ({type(item).__name__})"

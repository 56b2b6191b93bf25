"""Definitions that torch has one function for; None leaves a case to the definition's body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from probrl.expr import nodes as n
from probrl.expr.definition import FunctionHead
from probrl.graph.lowering import Lowering, Value


def _closed_clip(node: n.Definition, to: Lowering) -> Value | None:
    x, low, high = (to.numeric(to.lower(a)) for a in node.args)
    if x.number or not (low.number and high.number):
        return None
    return x._replace(node=to.emit(torch.clamp, x.node, low.node, high.node))


def _closed_along(function: Any) -> Callable[[n.Definition, Lowering], Value | None]:
    def closed(node: n.Definition, to: Lowering) -> Value | None:
        assert isinstance(node.head, FunctionHead)
        axis = dict(node.head.options)["axis"]
        x = to.numeric(to.lower(node.args[0]))
        kept = x.axes if function is not torch.logsumexp else tuple(a for a in x.axes if a != axis)
        return Value(to.emit(function, x.node, x.axes.index(axis)), kept, x.rank)

    return closed


CLOSED: dict[str, Callable[[n.Definition, Lowering], Value | None]] = {
    "clip": _closed_clip,
    "softmax": _closed_along(torch.softmax),
    "log_softmax": _closed_along(torch.log_softmax),
    "logsumexp": _closed_along(torch.logsumexp),
}

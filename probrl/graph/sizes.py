"""How large an event is before anything has run: the states of a recursion start somewhere, and that has a shape."""

from __future__ import annotations

from typing import Any

import torch

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.traversal import executed, walk
from probrl.graph.lowering import Lowering, Value


def start_of(node: n.Recursion, symbol: n.Symbol, init: Expr, axes: tuple[str, ...], to: Lowering) -> tuple[Any, Value]:
    """The tensor that a state starts from, and how the state looks inside the body."""
    rank = symbol.rank or 0
    value = to.numeric(to.lower(init))
    event: Any = ()
    if rank and (value.number or not value.rank):
        step = node.steps[node.states.index(symbol)]
        event = event_shape(step, {})
        if event is None:
            raise ExpressionError(
                f"{show(node)}: '{symbol.name}' is a vector whose size cannot be read off {show(step)}; give init a vector of that size"
            )
    shape = tuple(to.size(a) for a in axes)
    like = to.reference()
    start = value.node if value.number else to.align(value, axes, rank)
    return to.emit(start_tensor, start, shape, tuple(event), like), Value(None, axes, rank)


def start_tensor(init: Any, shape: tuple[int, ...], event: tuple[int, ...], like: Any) -> Any:
    """A state's start in its full shape."""
    if not isinstance(init, torch.Tensor):
        dtype = like.dtype if like.is_floating_point() else torch.get_default_dtype()
        return torch.full((*shape, *event), float(init), dtype=dtype, device=like.device)
    tail = event if event else init.shape[len(shape) :]
    while init.dim() < len(shape) + len(tail):
        init = init.unsqueeze(-1) if event else init.unsqueeze(0)
    return init.expand(*shape, *tail)


def event_shape(x: Expr, open_: dict[Expr, None]) -> tuple[int, ...] | None:
    """The sizes of the event dimensions of a formula as far as networks say them, or None."""
    if x in open_:
        return None
    open_ = {**open_, x: None}
    if x.type.rank == 0:
        return ()
    if isinstance(x, n.Call):
        size = output_size(x.net.module)
        return None if size is None or x.rank != 1 else (size,)
    if isinstance(x, n.Item) and isinstance(x.x, n.Call) and isinstance(x.x.rank, int):
        whole = event_shape(x.x, open_)
        return None if whole is None else (*whole[:-1], whole[-1] // x.count)
    if isinstance(x, n.Rename) and x.source is None:
        inner = event_shape(x.x, open_)
        return None if inner is None else inner[:-1]
    if isinstance(x, n.Rename) and x.target is None:
        inner, size = event_shape(x.x, open_), axis_size(x.x, str(x.source))
        return None if inner is None or size is None else (*inner, size)
    if isinstance(x, n.Join) and x.axis is None:
        parts = [event_shape(i, open_) if i.type.rank else (1,) for i in x.items]
        return None if any(p is None for p in parts) else (sum(p[0] for p in parts if p),)
    for part in executed(x):
        if part.type.rank == x.type.rank:
            found = event_shape(part, open_)
            if found is not None:
                return found
    return None


def axis_size(x: Expr, name: str) -> int | None:
    """The size of an index axis as far as networks and draws say it, or None."""
    for node in walk(x, through=executed):
        if isinstance(node, n.Rename) and node.target == name and node.source is None:
            inner = event_shape(node.x, {})
            if inner:
                return inner[-1]
        if isinstance(node, n.Noise):
            for axis, size in node.extra:
                if axis.name == name:
                    return size
    return None


def output_size(module: Any) -> int | None:
    """The number of outputs of a module: its ``out_features``, else those of its last linear layer."""
    if isinstance(getattr(module, "out_features", None), int):
        return int(module.out_features)
    if not isinstance(module, torch.nn.Module):
        return None
    layers = [m for m in module.modules() if isinstance(getattr(m, "out_features", None), int)]
    return int(layers[-1].out_features) if layers else None  # type: ignore[arg-type]

"""The hatch: any torch function as a word of a formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.lifting import lift
from probrl.expr.state import Network


def function(name: str, torch_fn: Callable[..., Any], rank: int = 0) -> Callable[..., Expr]:
    """A torch function without parameters, for formulas: it prints as its name and its gradient is torch's.

    Args:
        name: how it prints.
        torch_fn: takes tensors of shape (rows, *event) and returns one; rows are not mixed.
        rank: the number of event dimensions of what it returns.

    Example:
        >>> import torch, probrl as pr
        >>> norm = pr.function("norm", lambda x: x.norm(dim=-1))
        >>> x = pr.symbols("x", rank=1)
        >>> norm(x)({"x": torch.tensor([[3.0, 4.0]])})
        tensor([5.])
    """
    net = Network(name, torch_fn, pure=True)

    def call(*args: Any) -> Expr:
        return n.Call(net, "live", tuple(lift(a) for a in args), rank, ())

    call.__name__ = name
    return call

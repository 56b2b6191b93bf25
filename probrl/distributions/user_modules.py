"""What a pixyz distribution or loss of the user's computes, as a network: with nothing that pixyz remembered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from probrl.distributions.base import CACHE_IS_OFF, PixyzBase
from probrl.distributions.conditional import Conditional
from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import lift
from probrl.expr.state import Network


def parameters_of(dist: Any, values: Mapping[str, Any]) -> dict[str, Tensor]:
    """The parameters of a pixyz distribution at conditions, computed anew: pixyz's own would remember stale ones.

    A ``get_params`` that the user wrote is honoured.
    """
    if type(dist).get_params is not PixyzBase.get_params:
        return dict(dist.get_params(dict(values)))
    replaced = {key: v for k, v in values.items() for key in dist.replace_params_dict.get(k, ())}
    found = dict(dist(**{k: v for k, v in values.items() if k not in dist.replace_params_dict}))
    found.update(replaced)
    found.update({k: v for k, v in dist.named_buffers() if k in dist.params_keys})
    return found


@contextmanager
def fresh(module: nn.Module) -> Iterator[None]:
    """pixyz's methods without its memory: of every distribution inside, for as long as this lasts."""
    inside = [m for m in module.modules() if isinstance(m, PixyzBase) and not isinstance(m, Conditional)]
    redone = [] if CACHE_IS_OFF else [m for m in inside if type(m).get_params is PixyzBase.get_params]
    for m in redone:
        m.__dict__["get_params"] = lambda params_dict=None, m=m, **kwargs: parameters_of(m, params_dict or {})
    try:
        yield
    finally:
        for m in redone:
            m.__dict__.pop("get_params", None)
        for m in inside:
            m._dist = None  # it keeps the last graph, and a module with a graph cannot be copied


class Parameters(nn.Module):
    """A user's distribution as a network: conditions in, parameters out, in a fixed order and of one shape."""

    def __init__(self, dist: Any, keys: tuple[str, ...]):
        super().__init__()
        self.dist, self.keys = dist, keys

    def forward(self, *inputs: Any) -> Any:
        found = parameters_of(self.dist, dict(zip(self.dist._cond_var, inputs, strict=True)))
        missing = [k for k in self.keys if k not in found]
        if missing:
            raise DataError(f"{self.dist.name} gives {', '.join(found)} and not {missing[0]}")
        values = torch.broadcast_tensors(*(found[k] for k in self.keys))
        values = values if inputs else tuple(_one(v) for v in values)
        return values[0] if len(values) == 1 else tuple(values)


def _one(x: Tensor) -> Tensor:
    """Constants without the batch of one that pixyz gives them."""
    return x.squeeze(0) if x.dim() and x.shape[0] == 1 else x


class Outputs(nn.Module):
    """A user's deterministic distribution as a network."""

    def __init__(self, dist: Any):
        super().__init__()
        self.dist = dist

    def forward(self, *inputs: Any) -> Any:
        found = self.dist.forward(**dict(zip(self.dist._cond_var, inputs, strict=True)))
        return found[self.dist._var[0]] if len(self.dist._var) == 1 else tuple(found[v] for v in self.dist._var)


class Asked(nn.Module):
    """A user's distribution as a network that says a log-probability or an entropy, one per row."""

    def __init__(self, dist: Any, op: str):
        super().__init__()
        self.dist, self.op = dist, op

    def forward(self, *inputs: Any) -> Tensor:
        names = [*self.dist._var, *self.dist._cond_var] if self.op == "get_log_prob" else list(self.dist._cond_var)
        values = dict(zip(names, inputs, strict=True))
        with fresh(self.dist):
            found = getattr(self.dist, self.op)(values)
        return found if inputs else _one(found)


class Evaluated(nn.Module):
    """A pixyz loss as a network: its inputs in, its value out, one per row."""

    def __init__(self, loss: Any):
        super().__init__()
        self.loss = loss

    def forward(self, *inputs: Any) -> Tensor:
        with fresh(self.loss):
            value = self.loss.eval(dict(zip(self.loss.input_var, inputs, strict=True)))
        rows = next((x.shape[0] for x in inputs if isinstance(x, Tensor) and x.dim()), None)
        return value.expand(rows) if value.dim() == 0 and rows is not None else value


class Term:
    """A pixyz loss as a term of a formula: applied to its inputs, one value per row.

    What the loss reduced over the batch itself is the same in every row, so that ``pr.mean`` of it is its value. Draws
    inside the loss come from torch's global generator.
    """

    def __init__(self, loss: Any, name: str | None = None):
        self.loss = loss
        self.handle = Network(name or r"\mathcal{L}", Evaluated(loss), None)

    def __call__(self, *args: Any, **kwargs: Any) -> Expr:
        names = list(self.loss.input_var)
        values = {**dict(zip((k for k in names if k not in kwargs), args, strict=False)), **kwargs}
        if set(values) != set(names) or len(args) + len(kwargs) != len(names):
            raise ExpressionError(
                f"this pixyz loss takes {', '.join(names) or 'nothing'}: write {', '.join(f'{k}={k}' for k in names)}"
            )
        return n.Call(self.handle, "live", tuple(lift(values[k]) for k in names), 0, ())

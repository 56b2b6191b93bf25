# ruff: noqa: E402 - the switch of pixyz's memory comes before its classes
"""Where pixyz comes in: the base class of every distribution, which is a pixyz distribution too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from probrl.distributions.conditional import Conditional
from probrl.distributions.declaration import declare
from probrl.distributions.equations import Readable
from probrl.distributions.exchange import Exchange
from probrl.distributions.outputs import adopt
from probrl.errors import ExpressionError
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.expr.operators import lift
from probrl.expr.state import Network
from probrl.networks.mlp import mlp

CACHE_IS_OFF = "pixyz.distributions" not in sys.modules
if CACHE_IS_OFF:
    # pixyz remembers parameters by their inputs and never looks at the weights: off, before its classes are made.
    import pixyz.utils

    if hasattr(pixyz.utils, "set_cache_maxsize"):
        pixyz.utils.set_cache_maxsize(0)
    else:
        pixyz.utils.CACHE_SIZE = 0

from pixyz.distributions import Distribution as PixyzDistribution
from pixyz.distributions import MultiplyDistribution as PixyzProduct
from pixyz.distributions.distributions import DistributionBase as PixyzBase
from pixyz.losses import LogProb as PixyzLogProb
from pixyz.losses import Prob as PixyzProb
from pixyz.losses.losses import Loss as PixyzLoss

__all__ = [
    "CACHE_IS_OFF",
    "Distribution",
    "PixyzBase",
    "PixyzDistribution",
    "PixyzLogProb",
    "PixyzLoss",
    "PixyzProb",
    "PixyzProduct",
]


class Distribution(Conditional, Exchange, Readable, PixyzBase):
    """A conditional distribution, usable in formulas and, with tensors, through pixyz's interface.

    Args:
        declaration: such as ``"a | s"``; may be left out when the parameters are given as expressions.
        network: a module (its inputs are the conditions in the order of the declaration), a function of expressions, or
            None for a declaration that prints and cannot run.
        name: how it prints; LaTeX is kept as typed.
        rank: the number of event dimensions of a value.
        given: the parameters as expressions, by name, where there is no network.
        lead: an axis that the network puts in front, that of an ensemble's members.
        wrap: makes of the network the module that the family calls.

    Errors:
        ExpressionError: when the declaration is malformed or the network is no module and no function.

    Example:
        >>> import torch, probrl as pr
        >>> x, p = pr.symbols("x"), pr.Normal("x", loc=0.0, scale=1.0, rank=0)
        >>> isinstance(p, pr.Distribution)
        True
        >>> p.log_prob(x)({"x": torch.zeros(2)})
        tensor([-0.9189, -0.9189])
        >>> p.log_prob({"x": torch.zeros(2)})
        tensor([-0.9189, -0.9189])
    """

    default_name = "p"
    default_rank = 1
    example_outputs = 4

    @classmethod
    def example(cls) -> Any:
        """A small one with a random network over ``s`` of size 3: for the laws, which hold for every family."""
        return cls("a | s", mlp(3, 16, cls.example_outputs))

    def __mul__(self, other: Any) -> Any:
        """The joint distribution of the variables of both; of ours, one of ours."""
        from probrl.distributions.product import multiply

        return multiply(self, other)

    def __init__(
        self,
        declaration: str | None,
        network: Any = None,
        *,
        name: str | None = None,
        rank: int | None = None,
        given: Mapping[str, Any] | None = None,
        lead: tuple[Axis, ...] = (),
        wrap: Callable[[nn.Module], nn.Module] | None = None,
    ):
        exprs = {k: lift(v) for k, v in (given or {}).items() if v is not None}
        if declaration is None and not exprs:
            raise ExpressionError(
                f"pr.{type(self).__name__} is declared by its variables and conditions, as in "
                f"pr.{type(self).__name__}('a | s', network)"
            )
        declared = declare(declaration or "x")
        PixyzBase.__init__(self, list(declared.variables), list(declared.conditions), name or self.default_name)
        self.declaration, self.notation = declared, name or self.default_name
        self.rank = self.default_rank if rank is None else rank
        self.lead, self.given = tuple(lead), tuple(exprs.values())
        self._function: Callable[..., Any] | None = None
        if exprs and (network is not None or set(exprs) != set(self.keys)):
            raise ExpressionError(
                f"pr.{type(self).__name__} takes a network, or all of {', '.join(f'{k}=' for k in self.keys)}"
            )
        module: nn.Module | None = None
        if isinstance(network, nn.Module):
            adopted = adopt(network, len(declared.conditions))
            module = self.net = adopted if wrap is None else wrap(adopted)
        elif isinstance(network, type) and issubclass(network, nn.Module):
            raise ExpressionError(
                f"pr.{type(self).__name__} got the class {network.__name__}, not a module: write {network.__name__}(...) with its sizes"
            )
        elif callable(network):
            self._function = network
        elif network is not None:
            raise ExpressionError(
                f"{network!r} is no network: pr.{type(self).__name__} takes a torch module or a function of expressions"
            )
        self.handle = Network(self.notation, module, self)

    def log_prob(self, *args: Any, exact: bool = True, **kwargs: Any) -> Any:
        """With data (a dict), a tensor; with an expression, a formula; without, pixyz's loss of that name."""
        if args and isinstance(args[0], Mapping):
            return self.get_log_prob(args[0], **kwargs)
        if any(isinstance(a, Expr) for a in args):
            return self.applied(self.given).log_prob(*args, **kwargs)
        return PixyzLogProb(self, *args, **kwargs)

    def prob(self, *args: Any, **kwargs: Any) -> Any:
        """With data (a dict), a tensor; with an expression, a formula; without, pixyz's loss of that name."""
        if args and isinstance(args[0], Mapping):
            return torch.exp(self.get_log_prob(args[0], **kwargs))
        if any(isinstance(a, Expr) for a in args):
            return self.applied(self.given).prob(*args, **kwargs)
        return PixyzProb(self, *args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if self.owner is not self:
            from copy import deepcopy

            return deepcopy(self.owner, memo).in_role(self.role)
        return copied(self, memo)


def copied(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A deep copy without what was left behind by the last forward pass."""
    from copy import deepcopy

    new = object.__new__(type(module))
    memo[id(module)] = new
    dropped = ("_dist", "_graph", "_views", "_formulas")
    for key, value in module.__dict__.items():
        if key not in dropped:
            new.__dict__[key] = deepcopy(value, memo)
    new.__dict__.update(_dist=None, _graph=None)
    return new

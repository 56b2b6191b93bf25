"""Several independent classes at once, with any numbers of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from probrl.distributions.base import Distribution
from probrl.distributions.categorical import excess, surprise
from probrl.distributions.outputs import Split
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.expr.operators import concatenate, fresh_noise, log_softmax
from probrl.networks.mlp import mlp


class MultiDiscrete(Distribution):
    r"""A vector of independent classes, the j-th one of ``sizes[j]``.

    .. math:: \log p(a \mid s) = \sum_j \log \mathrm{softmax}(l^j(s))_{a_j}

    Args:
        declaration: ``"a | s"``.
        network: puts out ``sum(sizes)`` logits, those of the first entry first.
        sizes: how many classes each entry has.

    Shapes:
        A value is a vector of integers, ``(batch, len(sizes))``.

    Errors:
        ExpressionError without sizes; DataError when the network puts out another number of logits.

    Example:
        >>> import probrl as pr
        >>> pi = pr.MultiDiscrete("a | s", pr.mlp(4, 16, 5), sizes=(2, 3))
        >>> s, a = pr.symbols("s a")
        >>> loss = pr.mean(-pi(s).log_prob(a))
    """

    family = "MultiDiscrete"
    support = "vectors of classes"
    law = "gumbel"
    reparameterised = False

    def __init__(self, declaration: str, network: Any = None, *, sizes: Sequence[int], **options: Any):
        self.__dict__["sizes"] = tuple(int(k) for k in sizes)
        if not self.sizes or min(self.sizes) < 1:
            raise ExpressionError(f"pr.MultiDiscrete(sizes={tuple(sizes)}): one positive number of classes per entry")

        def wrap(module: nn.Module) -> nn.Module:
            return Split(module, self.sizes)

        super().__init__(declaration, network, wrap=wrap, **options)
        self.__dict__["sizes"] = tuple(int(k) for k in sizes)

    @classmethod
    def example(cls) -> MultiDiscrete:
        """One of the family, for the laws."""
        return cls("a | s", mlp(3, 16, 5), sizes=(2, 3))

    @property
    def keys(self) -> tuple[str, ...]:  # type: ignore[override]
        """One vector of logits per entry."""
        return tuple(f"logits_{j}" for j in range(len(self.sizes)))

    @property
    def raw_rank(self) -> tuple[int, ...]:
        return (1,) * len(self.sizes)

    def from_network(self, raw: Any) -> dict[str, Expr]:
        return {key: part.to_axis("class") for key, part in zip(self.keys, raw, strict=True)}

    def column(self, key: str, name: str, axes: tuple[Axis, ...]) -> Expr:
        return n.Symbol(name, 1, axes, None).to_axis("class")

    def entries(self, x: Expr) -> list[Expr]:
        """The entries of a vector, one scalar each."""
        along = x.to_axis("entry")
        return [along.at(entry=j) for j in range(len(self.sizes))]

    def log_density(self, x: Expr, **logits: Expr) -> Expr:
        """sum_j log softmax(l^j)_{a_j}."""
        terms = [
            log_softmax(l, "class").at(**{"class": a}) for l, a in zip(logits.values(), self.entries(x), strict=True)
        ]
        return total_of(terms)

    def entropy_of(self, **logits: Expr) -> Expr:
        """The sum of the entropies of the entries."""
        return total_of([surprise(l, "class") for l in logits.values()])

    def divergence(self, p: dict[str, Expr], q: dict[str, Expr]) -> Expr:
        """The sum of the divergences of the entries."""
        return total_of([excess(p[k], q[k], "class") for k in p])

    def mode_of(self, **logits: Expr) -> Expr:
        """The class of the greatest logit of every entry."""
        return concatenate(*(l.argmax("class") for l in logits.values()))

    def noises(
        self, parameters: dict[str, Expr], extra: tuple[tuple[Axis, int], ...], per: Expr | None
    ) -> tuple[Expr, ...]:
        return tuple(fresh_noise(self.law, self.like({k: v}, per), extra) for k, v in parameters.items())

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """argmax_k (l^j_k + g^j_k) for every entry."""
        drawn = [(l + g).argmax("class") for l, g in zip(parameters.values(), noises, strict=True)]
        return concatenate(*drawn)

    def torch_distribution(self, **parameters: Tensor) -> torch.distributions.Distribution:
        raise ExpressionError("torch has no distribution of several classes at once: take our own kl")


def total_of(terms: list[Expr]) -> Expr:
    """The sum of formulas, in their order."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total

"""Mixtures: one of several distributions, chosen by a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from probrl.distributions.base import Distribution
from probrl.distributions.categorical import Categorical
from probrl.distributions.normal import Normal
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.expr.operators import log_softmax, logsumexp, softmax, stack
from probrl.expr.state import Network
from probrl.networks.mlp import mlp


class Mixture(Distribution):
    r"""A mixture of distributions of one variable.

    .. math:: p(a \mid s) = \sum_k w_k(s)\, p_k(a \mid s)

    Args:
        weights: a :class:`Categorical` over the components, such as ``pr.Categorical("k | s", network)``.
        components: distributions of the same variable, of one rank and support.
        name: how it prints.

    Shapes:
        A value is the components'; the conditions are those of the weights, then what else the components need.

    Errors:
        ExpressionError when the components differ in variable, rank or support.

    Source:
        Bishop, "Mixture density networks", 1994.

    Example:
        >>> import probrl as pr
        >>> parts = [pr.Normal("a | s", pr.mlp(3, 4)) for _ in range(2)]
        >>> p = pr.Mixture(pr.Categorical("k | s", pr.mlp(3, 2)), parts)
        >>> s, a = pr.symbols("s a")
        >>> log_prob = p(s).log_prob(a)
    """

    family = "Mixture"
    reparameterised = False

    def __init__(self, weights: Categorical, components: Sequence[Distribution], *, name: str | None = None):
        parts = list(components)
        kinds = {(c.variable, c.rank, c.support) for c in parts}
        if not isinstance(weights, Categorical) or len(kinds) != 1 or any(c.lead for c in parts):
            raise ExpressionError(
                "pr.Mixture(weights, components): a pr.Categorical over the components, and components of one "
                "variable, rank and support"
            )
        conditions = dict.fromkeys(c for p in (weights, *parts) for c in p.declaration.conditions)
        given = f" | {', '.join(conditions)}" if conditions else ""
        super().__init__(f"{parts[0].variable}{given}", None, name=name, rank=parts[0].rank)
        self.support = parts[0].support
        self.weights = weights
        self.components = torch.nn.ModuleList(parts)

    @classmethod
    def example(cls) -> Mixture:
        """One of the family, for the laws."""
        return cls(Categorical("k | s", mlp(3, 16, 2)), [Normal("a | s", mlp(3, 16, 4)) for _ in range(2)])

    @property
    def parts(self) -> dict[str, Any]:
        """The weights and the components, by the prefix of their parameters."""
        owner = self.owner
        return {"w": owner.weights, **{f"c{i}": c for i, c in enumerate(owner.components)}}

    @property
    def networks(self) -> tuple[Network, ...]:
        return tuple(net for p in self.parts.values() for net in p.networks)

    @property
    def keys(self) -> tuple[str, ...]:  # type: ignore[override]
        """The parameters of all parts, each after the prefix of its part."""
        return tuple(f"{prefix}_{k}" for prefix, p in self.parts.items() for k in p.keys)

    def parameters_of(self, role: str, args: tuple[Expr, ...], held: bool = False) -> dict[str, Expr]:
        known = dict(zip(self.declaration.conditions, args, strict=True))
        found = {}
        for prefix, p in self.parts.items():
            inner = p.parameters_of(role, tuple(known[c] for c in p.declaration.conditions) or p.given, held)
            found.update({f"{prefix}_{k}": v for k, v in inner.items()})
        return found

    def column(self, key: str, name: str, axes: tuple[Axis, ...]) -> Expr:
        prefix, _, inner = key.partition("_")
        return self.parts[prefix].column(inner, name, axes)

    def parameter_rank(self, key: str) -> int:
        prefix, _, inner = key.partition("_")
        return self.parts[prefix].parameter_rank(inner)

    def get_params(self, params_dict: Any = None, **kwargs: Any) -> dict[str, Tensor]:
        found = {}
        for prefix, p in self.parts.items():
            inner = p.in_role(self.role).get_params(dict(params_dict or {}))
            found.update({f"{prefix}_{k}": v for k, v in inner.items()})
        return found

    def split(self, parameters: dict[str, Expr]) -> dict[str, dict[str, Expr]]:
        """The parameters of each part."""
        return {prefix: {k: parameters[f"{prefix}_{k}"] for k in p.keys} for prefix, p in self.parts.items()}

    def log_density(self, x: Expr, **parameters: Expr) -> Expr:
        """log sum_k w_k p_k(a)."""
        each, axis = self.split(parameters), self.owner.weights.axis
        densities = [c.log_density(x, **each[f"c{i}"]) for i, c in enumerate(self.owner.components)]
        return logsumexp(log_softmax(each["w"]["logits"], axis) + stack(densities, axis), axis)

    def offers(self, op: str, applied: Any) -> None:
        if op == "mean":
            for c in self.owner.components:
                c.offers(op, applied)
        super().offers(op, applied)

    def mean_of(self, **parameters: Expr) -> Expr:
        """sum_k w_k mean_k."""
        each, axis = self.split(parameters), self.owner.weights.axis
        means = [c.mean_of(**each[f"c{i}"]) for i, c in enumerate(self.owner.components)]
        return (softmax(each["w"]["logits"], axis) * stack(means, axis)).sum(axis)

    def noises(
        self, parameters: dict[str, Expr], extra: tuple[tuple[Axis, int], ...], per: Expr | None
    ) -> tuple[Expr, ...]:
        each = self.split(parameters)
        return tuple(noise for prefix, p in self.parts.items() for noise in p.noises(each[prefix], extra, per))

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """A draw of the component that a draw of the weights chooses."""
        each, axis = self.split(parameters), self.owner.weights.axis
        chosen = self.owner.weights.transform(noises[:1], each["w"])
        per_part = (len(noises) - 1) // len(self.owner.components)
        drawn = [
            c.transform(noises[1 + i * per_part : 1 + (i + 1) * per_part], each[f"c{i}"])
            for i, c in enumerate(self.owner.components)
        ]
        return n.At(stack(drawn, axis), axis, chosen)

    def torch_distribution(self, **parameters: Tensor) -> torch.distributions.Distribution:
        raise ExpressionError("the divergence of a mixture has no closed form: estimate it from draws")

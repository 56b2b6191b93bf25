"""Yes or no: a coin whose side depends on the conditions."""

from __future__ import annotations

from typing import Any

import torch

from probrl.distributions.base import Distribution
from probrl.expr.base import Expr
from probrl.expr.operators import sigmoid, softplus, where


class Bernoulli(Distribution):
    r"""1 with some probability, otherwise 0; with ``rank=1`` a vector of independent ones.

    .. math:: \log p(a \mid s) = a\, l(s) - \log(1 + e^{l(s)})

    Args:
        declaration: ``"a | s"``.
        network: puts out the logit l.
        logits: in place of a network, an expression.
        rank: 0 for scalars, 1 for vectors.

    Shapes:
        A value is 0 or 1 (or a boolean) per row, ``(batch,)``; above one half counts as 1.

    Example:
        >>> import probrl as pr
        >>> p = pr.Bernoulli("a | s", pr.mlp(4, 16, 1))
        >>> s, a = pr.symbols("s a")
        >>> loss = pr.mean(-p(s).log_prob(a))
    """

    family = "Bernoulli"
    support = "{0, 1}"
    keys = ("logits",)
    law = "uniform"
    reparameterised = False
    default_rank = 0
    example_outputs = 1
    distribution_torch_class = torch.distributions.Bernoulli

    def __init__(self, declaration: str | None = None, network: Any = None, *, logits: Any = None, **options: Any):
        super().__init__(declaration, network, given={"logits": logits}, **options)

    @property
    def raw_rank(self) -> int:
        return self.rank

    def from_network(self, raw: Any) -> dict[str, Expr]:
        return {"logits": raw}

    def log_density(self, x: Expr, *, logits: Expr) -> Expr:  # type: ignore[override]
        """a l - log(1 + e^l)."""
        return self.total(where(x > 0.5, logits, 0) - softplus(logits))

    def entropy_of(self, logits: Expr) -> Expr:
        """log(1 + e^l) - l sigmoid(l)."""
        return self.total(softplus(logits) - logits * sigmoid(logits))

    def divergence(self, p: dict[str, Expr], q: dict[str, Expr]) -> Expr:
        """sigmoid(l_p) (l_p - l_q) - log(1 + e^l_p) + log(1 + e^l_q)."""
        ours, theirs = p["logits"], q["logits"]
        return self.total(sigmoid(ours) * (ours - theirs) - softplus(ours) + softplus(theirs))

    def mean_of(self, logits: Expr) -> Expr:
        """sigmoid(l)."""
        return sigmoid(logits)

    def variance_of(self, logits: Expr) -> Expr:
        """p (1 - p)."""
        return sigmoid(logits) * (1 - sigmoid(logits))

    def mode_of(self, logits: Expr) -> Expr:
        """1 where l > 0."""
        return logits > 0

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """1 where u < sigmoid(l), with uniform u."""
        return noises[0] < sigmoid(parameters["logits"])

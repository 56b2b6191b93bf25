"""The beta distribution on (0, 1), coordinate by coordinate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from probrl.distributions.base import Distribution
from probrl.distributions.normal import halves
from probrl.expr import nodes as n
from probrl.expr.axes import Axis, index_axis
from probrl.expr.base import Expr
from probrl.expr.operators import clip, digamma, fresh_noise, lgamma, log, softplus
from probrl.expr.state import Network

EDGE = 1e-6  # how far from 0 and 1 a value is held before its logarithms are taken
TRIES = 16  # proposals per gamma draw; one is refused with probability below 0.05, so all of them below 1e-20


def gamma_of(concentration: Tensor, normal: Tensor, uniform: Tensor) -> Tensor:
    """A standard gamma draw for concentrations of at least 1, from normal and uniform noise along the last dimension.

    The first of the proposals that is accepted counts; the gradient to the concentration is the implicit one.

    Source:
        Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; Figurnov, Mohamed, Mnih,
        "Implicit reparameterization gradients", 2018.
    """
    a = concentration.detach().unsqueeze(-1)
    d = a - 1 / 3
    v = (1 + normal / torch.sqrt(9 * d)) ** 3
    inside = v.clamp(min=1e-12)
    accepted = (v > 0) & (torch.log(uniform.clamp(min=1e-30)) < 0.5 * normal**2 + d * (1 - v + torch.log(inside)))
    first = accepted.to(torch.uint8).argmax(-1, keepdim=True)
    x = (d * inside).gather(-1, first).squeeze(-1)
    return x + (concentration - concentration.detach()) * torch._standard_gamma_grad(concentration.detach(), x)


GAMMA = Network("gamma", gamma_of, None, True)


class Beta(Distribution):
    r"""Independent beta coordinates on (0, 1).

    .. math:: p(a \mid s) = \prod_d \frac{a_d^{\alpha_d - 1} (1 - a_d)^{\beta_d - 1}}{B(\alpha_d, \beta_d)}

    Args:
        declaration: ``"a | s"``.
        network: puts out 2 D numbers; the concentrations are 1 + softplus of them, so that each density has one mode.
        concentration1, concentration0: in place of a network, alpha and beta as expressions; a draw needs both >= 1.
        rank: 1 for vectors, 0 for scalars.

    Shapes:
        A value is ``(batch, D)``, held off 0 and 1 by 1e-6; its log-probability ``(batch,)``.

    Source:
        Chou, Maturana, Scherer, "Improving stochastic policy gradients in continuous control with deep reinforcement
        learning using the beta distribution", 2017.

    Example:
        >>> import probrl as pr
        >>> pi = pr.Beta("a | s", pr.mlp(3, 64, 4))
        >>> s, a = pr.symbols("s a")
        >>> loss = pr.mean(-pi(s).log_prob(a))
    """

    family = "Beta"
    support = "(0, 1)"
    keys = ("concentration1", "concentration0")
    distribution_torch_class = torch.distributions.Beta

    def __init__(
        self,
        declaration: str | None = None,
        network: Any = None,
        *,
        concentration1: Any = None,
        concentration0: Any = None,
        **options: Any,
    ):
        given = {"concentration1": concentration1, "concentration0": concentration0}
        super().__init__(declaration, network, given=given, **options)

    def from_network(self, raw: Any) -> dict[str, Expr]:
        one, zero = halves(raw, self.rank)
        return {"concentration1": 1 + softplus(one), "concentration0": 1 + softplus(zero)}

    def log_density(self, x: Expr, *, concentration1: Expr, concentration0: Expr) -> Expr:  # type: ignore[override]
        """sum_d (alpha - 1) log a + (beta - 1) log(1 - a) - log B(alpha, beta)."""
        x = clip(x, EDGE, 1 - EDGE)
        each = (concentration1 - 1) * log(x) + (concentration0 - 1) * log(1 - x)
        return self.total(each - log_beta(concentration1, concentration0))

    def entropy_of(self, concentration1: Expr, concentration0: Expr) -> Expr:
        """sum_d log B - (alpha - 1) psi(alpha) - (beta - 1) psi(beta) + (alpha + beta - 2) psi(alpha + beta)."""
        a, b = concentration1, concentration0
        return self.total(log_beta(a, b) - (a - 1) * digamma(a) - (b - 1) * digamma(b) + (a + b - 2) * digamma(a + b))

    def divergence(self, p: dict[str, Expr], q: dict[str, Expr]) -> Expr:
        """sum_d log B_q / B_p + (alpha_p - alpha_q) psi(alpha_p) + ... for beta and for their sum."""
        a, b = p["concentration1"], p["concentration0"]
        c, d = q["concentration1"], q["concentration0"]
        ratio = log_beta(c, d) - log_beta(a, b)
        return self.total(ratio + (a - c) * digamma(a) + (b - d) * digamma(b) + (c - a + d - b) * digamma(a + b))

    def mean_of(self, concentration1: Expr, concentration0: Expr) -> Expr:
        """alpha / (alpha + beta)."""
        return concentration1 / (concentration1 + concentration0)

    def variance_of(self, concentration1: Expr, concentration0: Expr) -> Expr:
        """alpha beta / ((alpha + beta)^2 (alpha + beta + 1))."""
        whole = concentration1 + concentration0
        return concentration1 * concentration0 / (whole**2 * (whole + 1))

    def mode_of(self, concentration1: Expr, concentration0: Expr) -> Expr:
        """(alpha - 1) / (alpha + beta - 2), for concentrations above 1."""
        return (concentration1 - 1) / (concentration1 + concentration0 - 2)

    def noises(
        self, parameters: dict[str, Expr], extra: tuple[tuple[Axis, int], ...], per: Expr | None
    ) -> tuple[Expr, ...]:
        shape = self.like(parameters, per)
        tries = (*extra, (index_axis("try"), TRIES))
        return tuple(fresh_noise(law, shape, tries) for _ in range(2) for law in ("normal", "uniform"))

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """x / (x + y), with x and y gamma draws of concentrations alpha and beta."""
        each = [e.to_event("try") for e in noises]
        x = n.Call(GAMMA, "live", (parameters["concentration1"], each[0], each[1]), self.rank, ())
        y = n.Call(GAMMA, "live", (parameters["concentration0"], each[2], each[3]), self.rank, ())
        return x / (x + y)


def log_beta(a: Expr, b: Expr) -> Expr:
    """log B(a, b) = log Gamma(a) + log Gamma(b) - log Gamma(a + b)."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)

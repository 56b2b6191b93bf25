"""A normal distribution squashed into (-1, 1) by the hyperbolic tangent."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.distributions import TransformedDistribution
from torch.distributions.transforms import TanhTransform

from probrl.distributions.heads import drawn_from
from probrl.distributions.normal import HALF_LOG_TWO_PI, Scaled, log_of
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import clip, log, softplus, tanh

EDGE = 1 - 1e-6  # how far from the bounds a value is held before its inverse tanh is taken


def _torch(loc: Any, scale: Any, validate_args: bool = False) -> torch.distributions.Distribution:
    normal = torch.distributions.Normal(loc, scale, validate_args=False)
    return TransformedDistribution(normal, [TanhTransform(cache_size=1)], validate_args=False)


class TanhNormal(Scaled):
    r"""The hyperbolic tangent of independent normal coordinates.

    .. math:: a = \tanh u, \quad \log p(a \mid s) = \sum_d \log \mathcal N(u_d; \mu_d, \sigma_d) - \log(1 - \tanh^2 u_d)

    The density of a draw is taken at its own u; of another value, at its inverse tanh, held off the bounds by 1e-6.
    log(1 - tanh^2 u) is computed as 2 (log 2 - u - softplus(-2 u)). The logarithm of the scale is clipped to [-5, 2].
    Arguments and shapes are those of :class:`Normal`; its entropy and mean have no closed form.

    Source:
        Haarnoja et al., "Soft actor-critic algorithms and applications", 2018, appendix C.

    Example:
        >>> import probrl as pr
        >>> pi = pr.TanhNormal("a | s", pr.mlp(3, 64, 2), name=r"\pi_\theta")
        >>> s = pr.symbols("s")
        >>> a_new = pi(s).draw()
        >>> log_prob = pi(s).log_prob(a_new)
    """

    family = "TanhNormal"
    support = "(-1, 1)"
    bounds = (-5.0, 2.0)
    seen_through = True
    distribution_torch_class = staticmethod(_torch)

    def log_density(self, x: Expr, *, loc: Expr, scale: Expr) -> Expr:  # type: ignore[override]
        """sum_d log N(u; mu, sigma) - log(1 - tanh^2 u), with a = tanh u."""
        u = before_tanh(x)
        log_slope = 2 * (math.log(2) - u - softplus(-2 * u))
        each = -0.5 * ((u - loc) / scale) ** 2 - log_of(scale) - HALF_LOG_TWO_PI - log_slope
        return self.total(each)

    def mode_of(self, loc: Expr, scale: Expr) -> Expr:
        """tanh(mu), the image of the mode of u: what is meant by acting without noise."""
        return tanh(loc)

    def divergence(self, p: dict[str, Expr], q: dict[str, Expr]) -> Expr:
        """That of the two normal distributions: the same map on both sides leaves it as it is."""
        ratio, distance = (p["scale"] / q["scale"]) ** 2, ((p["loc"] - q["loc"]) / q["scale"]) ** 2
        each = log_of(q["scale"]) - log_of(p["scale"]) + 0.5 * (ratio + distance) - 0.5
        return self.total(each)

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """tanh(mu + sigma e)."""
        return tanh(parameters["loc"] + parameters["scale"] * noises[0])


def before_tanh(x: Expr) -> Expr:
    """The value whose tanh is x: known for a draw, else the inverse tanh of x held off the bounds."""
    if isinstance(x, n.StopGradient) and drawn_from(x.x, TanhNormal) is not None:
        return n.StopGradient(before_tanh(x.x))
    drawn = drawn_from(x, TanhNormal)
    if drawn is not None:
        head, args = drawn
        inner = head.body(*args)
        return inner.x
    inside = clip(x, -EDGE, EDGE)
    return 0.5 * (log(1 + inside) - log(1 - inside))

"""The normal distribution with independent coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from probrl.distributions.base import Distribution
from probrl.distributions.outputs import FreeScale, NamedOutputs, event_size
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.operators import clip, exp, lift, log, sum_event
from probrl.networks.outputs import last_size

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class Scaled(Distribution):
    """What distributions with a location and a scale have in common: where the two come from."""

    keys = ("loc", "scale")
    bounds = (-20.0, 2.0)  # of the logarithm of the scale that a network puts out

    def __init__(
        self,
        declaration: str | None = None,
        network: Any = None,
        *,
        loc: Any = None,
        scale: Any = None,
        name: str | None = None,
        rank: int | None = None,
        event_shape: Sequence[int] | None = None,
        **options: Any,
    ):
        if isinstance(scale, str) and scale not in ("network", "free"):
            raise ExpressionError(f"scale={scale!r}: write scale='network', scale='free' or a number")
        given = None
        if loc is not None:
            given = {"loc": loc, "scale": 1.0 if scale is None else scale}
            if rank is None and declaration is None:
                rank = max(lift(v).type.rank or 0 for v in given.values())
        whole = self.default_rank if rank is None else rank

        def wrap(module: nn.Module) -> nn.Module:
            if scale == "network":
                return NamedOutputs(module, self.keys)
            if scale != "free":
                return module
            shape = event_shape if event_shape is not None else ((event_size(module),) if whole else ())
            return FreeScale(module, tuple(shape))

        super().__init__(declaration, network, name=name, rank=rank, given=given, wrap=wrap, **options)
        self.scale = scale
        self.event_shape = tuple(event_shape or ())

    @property
    def raw_rank(self) -> int | tuple[int, ...]:
        """One output of 2 D numbers (D with a fixed scale), or two of D."""
        return (
            (self.rank, self.rank)
            if isinstance(self.scale, str)
            else (max(self.rank, 1) if self.scale is None else self.rank)
        )

    @property
    def said(self) -> str:
        """The family, and where its scale comes from."""
        if isinstance(self.scale, str):
            return f"{self.family}, {'a scale of its own' if self.scale == 'free' else 'scale by the network'}"
        if self.scale is not None:
            fixed = isinstance(self.scale, (int, float))
            return f"{self.family}, scale {self.scale}" if fixed else self.family
        return f"{self.family}, log scale held in ({self.bounds[0]}, {self.bounds[1]})"

    def from_network(self, raw: Any) -> dict[str, Expr]:
        if self.scale == "network":
            return {"loc": raw[0], "scale": raw[1]}
        if self.scale == "free":
            return {"loc": raw[0], "scale": exp(raw[1])}
        if self.scale is not None:
            return {"loc": raw, "scale": lift(self.scale) + 0 * raw}
        loc, log_scale = halves(raw, self.rank)
        return {"loc": loc, "scale": exp(clip(log_scale, *self.bounds))}

    def from_expressions(self, values: Any) -> dict[str, Expr]:
        if isinstance(values, Expr) and self.scale is not None:
            return {"loc": values, "scale": lift(self.scale)}
        return super().from_expressions(values)


class Normal(Scaled):
    r"""Independent normal coordinates.

    .. math:: \log p(a \mid s) = \sum_d -\frac{(a_d - \mu_d)^2}{2 \sigma_d^2} - \log \sigma_d - \tfrac12 \log 2\pi

    Args:
        declaration: ``"a | s"``.
        network: puts out 2 D numbers: the means, then the logarithms of the scales, which are clipped to [-20, 2].
        scale: "network" when the network returns (loc, scale) as a tuple or a dict; "free" for scales that are
            parameters of their own, start at 1 and depend on no condition (the network puts out the means alone); a
            number for fixed scales; an expression beside ``loc``.
        loc: in place of a network, the means as an expression.
        rank: 1 for vectors, 0 for scalars.
        event_shape: the shape of a value, where a free scale cannot read it off the network, or loc and scale are
            numbers, as those of a prior: ``pr.Normal("z", loc=0.0, scale=1.0, event_shape=(8,))``.

    Shapes:
        A value is ``(batch, D)``; its log-probability ``(batch,)``.

    Errors:
        ExpressionError when composed wrongly.

    Source:
        The clip of the logarithm: Haarnoja et al., "Soft actor-critic", 2018.

    Example:
        >>> import probrl as pr
        >>> pi = pr.Normal("a | s", pr.mlp(3, 64, 2), scale="free", name=r"\pi_\theta")
        >>> s, a = pr.symbols("s a")
        >>> loss = pr.mean(-pi(s).log_prob(a) - 0.01 * pi(s).entropy())
    """

    family = "Normal"
    distribution_torch_class = torch.distributions.Normal

    def log_density(self, x: Expr, *, loc: Expr, scale: Expr) -> Expr:  # type: ignore[override]
        """sum_d -((x - mu) / sigma)^2 / 2 - log sigma - log(2 pi) / 2."""
        square = ((x - loc) / scale) ** 2
        if self.rank and scale.type.rank == 0:
            return -0.5 * sum_event(square) - coordinates(x + loc if x.type.rank else loc) * (
                log_of(scale) + HALF_LOG_TWO_PI
            )
        return self.total(-0.5 * square - log_of(scale) - HALF_LOG_TWO_PI)

    def entropy_of(self, loc: Expr, scale: Expr) -> Expr:
        """sum_d log sigma + log(2 pi e) / 2."""
        if self.rank and scale.type.rank == 0:
            return coordinates(loc) * (log_of(scale) + (HALF_LOG_TWO_PI + 0.5))
        return self.total(log_of(scale) + (HALF_LOG_TWO_PI + 0.5))

    def mean_of(self, loc: Expr, scale: Expr) -> Expr:
        """mu."""
        return loc

    def mode_of(self, loc: Expr, scale: Expr) -> Expr:
        """mu."""
        return loc

    def variance_of(self, loc: Expr, scale: Expr) -> Expr:
        """sigma^2."""
        return scale**2 + 0 * loc if scale.type.rank == 0 and self.rank and not scale.type.axes else scale**2

    def divergence(self, p: dict[str, Expr], q: dict[str, Expr]) -> Expr:
        """sum_d log(sigma_q / sigma_p) + (sigma_p^2 + (mu_p - mu_q)^2) / (2 sigma_q^2) - 1/2."""
        distance = ((p["loc"] - q["loc"]) / q["scale"]) ** 2
        ratio = (p["scale"] / q["scale"]) ** 2
        rest = log_of(q["scale"]) - log_of(p["scale"]) + 0.5 * ratio - 0.5
        if self.rank and rest.type.rank == 0:
            return 0.5 * sum_event(distance) + coordinates(distance) * rest
        return self.total(0.5 * distance + rest)

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """mu + sigma e with standard normal e."""
        return parameters["loc"] + parameters["scale"] * noises[0]


def log_of(x: Expr) -> Expr:
    """log x, without the exponential when x is one."""
    return x.x if isinstance(x, n.Unary) and x.op == "exp" else log(x)


def coordinates(x: Expr) -> Expr:
    """How many coordinates an event has."""
    return sum_event(0 * x + 1)


def halves(raw: Expr, rank: int) -> tuple[Expr, Expr]:
    """The two halves of the last dimension of a network's output: two numbers where values are scalars."""
    if rank:
        return n.Item(raw, 0, 2), n.Item(raw, 1, 2)
    size = last_size(raw.net.module) if isinstance(raw, n.Call) else None
    if size not in (None, 2):
        raise ExpressionError(
            f"{show(raw)} puts out {size} numbers, and a scalar's distribution takes two: give the network 2 outputs, or declare rank=1"
        )
    pair = n.Rename(raw, None, "half")
    return n.At(pair, "half", n.Number(0, None)), n.At(pair, "half", n.Number(1, None))

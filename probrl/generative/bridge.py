"""Schroedinger bridges: from any samples to the data, along Brownian motion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from probrl.distributions.conditional import row_of
from probrl.distributions.declaration import declare
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import fresh_noise, noise, sqnorm, stop_gradient
from probrl.generative import times
from probrl.generative.applied import AppliedModel, ranked, timed
from probrl.generative.brownian import Brownian
from probrl.generative.checked import coupling_of
from probrl.generative.conditioned import Paired
from probrl.generative.coupling import coupled
from probrl.generative.heads import Matching, Predicted
from probrl.generative.model import Model, read_shapes
from probrl.generative.pieces import called, flat, shaped
from probrl.generative.solving import MARGIN
from probrl.solvers import RK4, EulerMaruyama, Scheme, Solver

KINDS = ("displacement", "velocity")


class Bridge(Model):
    r"""A conditional distribution that is connected with another one, or with noise, by Brownian bridges.

    .. math:: x_t = (1 - t)\, x_0 + t\, x_1 + \sigma \sqrt{t (1 - t)}\, \epsilon, \qquad
              \mathcal{L} = \mathbb{E}\, \| w_\theta - (x_1 - x_0) \|^2 + \| e_\theta - \epsilon \|^2

    t = 0 is the data, t = 1 where it comes from: standard normal noise, or the samples given as ``start``. Two predictions
    are learned; velocity, score and data follow from them:

    .. math:: v = w + \frac{\sigma (1 - 2t)}{2 \sqrt{t (1 - t)}}\, e, \quad
              \nabla \log p = \frac{-e}{\sigma \sqrt{t (1 - t)}}, \quad
              x_0 = x_t - t\, w - \sigma \sqrt{t (1 - t)}\, e

    The flow is dx = v dt, the process dx = (v - sigma^2/2 score) dt + sigma dW with t falling. With the entropic coupling it
    is the Schroedinger bridge between the two ends. A likelihood is that of a bridge from standard normal noise.

    Args:
        declaration: ``"x"`` or ``"x | c"``, one variable.
        network: ``net(x_t, t, condition)``; returns the pair of predictions, or the first when ``score`` gives the second.
        score: the network of the second prediction.
        sigma: the volatility of the motion.
        coupling: of data and start in training: "entropic" (regularised by 2 sigma^2, the Schroedinger bridge), "ot",
            "independent" (as the pairs are given), or a function of expressions ``(x, start) -> start``. With conditions,
            among rows of equal conditions, as in :class:`Flow`.
        predicts: "displacement" for the pair (x_1 - x_0, noise), both of size one at all times; "velocity" for the pair
            (velocity, score) of SF2M, whose targets grow beyond every bound at both ends.
        solver: Euler-Maruyama with 20 steps; Runge-Kutta methods go along the flow. All take equal steps of the root of time
            unless a grid is named, because what they follow goes like that root near the data.
        law: of the times that it is trained at: "arcsine", whose density is that by which the velocity grows to both ends,
            "uniform", as for velocity and score unless another is named, or "logit_normal".
        options: ``name``, ``event_shape``, ``drop`` of :class:`Model`.

    Errors:
        ExpressionError for solvers that need a Gaussian path (DPM, DDIM), and for several variables.

    Source:
        Tong et al. 2024, "Simulation-free Schroedinger bridges via score and flow matching" (SF2M), equations 8 to 12.

    Example:
        >>> import torch, probrl as pr
        >>> b = pr.Bridge("x", pr.networks.TimeMLP(2), pr.networks.TimeMLP(2), sigma=0.5)
        >>> x, y = pr.symbols("x y")
        >>> loss = pr.mean(b.matching(x, start=y))
        >>> tuple(b.sample(start=torch.randn(7, 2))["x"].shape)
        (7, 2)
    """

    family = "Bridge"
    default_name = "b"
    usual_path = Brownian  # type: ignore[assignment]
    usual_prediction = "displacement"
    usual_weight = "noise"
    usual_solver = EulerMaruyama(20)
    laws = ("arcsine", "uniform", "logit_normal")
    direct = False

    def __init__(
        self,
        declaration: str,
        network: Any = None,
        score: nn.Module | None = None,
        *,
        sigma: float = 1.0,
        coupling: Any = "entropic",
        law: str | None = None,
        event_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
        **options: Any,
    ):
        declared = declare(declaration)
        if len(declared.variables) > 1:
            raise ExpressionError(f"'{declaration}': a bridge has one variable; join several into one vector")
        if "path" in options or "weight" in options:
            raise ExpressionError("a bridge goes along Brownian bridges and weights both errors alike: it takes sigma=")
        if isinstance(network, nn.Module):
            shapes = read_shapes(declared.variables, event_shape, network)
            network = Paired(network, declared.conditions, shapes, score)
            event_shape = shapes
        self.__dict__["coupling"] = coupling_of(f"'{declaration}'", coupling, ("entropic", "ot", "independent"))
        law = law or ("uniform" if options.get("predicts") == "velocity" else "arcsine")
        super().__init__(declaration, network, path=Brownian(sigma), law=law, event_shape=event_shape, **options)  # type: ignore[arg-type]

    @classmethod
    def example(cls) -> Any:
        """A small one over three numbers, for the laws."""
        from probrl.networks import TimeMLP

        return cls("a | s", TimeMLP(3, condition=3, hidden=(16,)), TimeMLP(3, condition=3, hidden=(16,)))

    def _refuse_unknown(self) -> None:
        if self.predicts not in KINDS:
            raise ExpressionError(
                f"{self.notation}: predicts={self.predicts!r}; a bridge predicts 'displacement' (with the noise) or 'velocity' "
                "(with the score)"
            )

    @property
    def said(self) -> str:
        """The family, its volatility and what its networks say."""
        other = {"displacement": "noise", "velocity": "score"}[self.predicts]
        return f"{self.family} of volatility {self.path.volatility:g}, predicts the {self.predicts} and the {other}"  # type: ignore[attr-defined]

    def applied(self, args: tuple[Expr, ...]) -> Any:
        return AppliedBridge(self.owner, self.role, args)

    # --- what the networks say ---------------------------------------------------------------------------------
    def said_at(
        self, role: str, held: bool, x: Expr, t: Expr, until: Expr, given: tuple[Expr, ...], whole: bool = False
    ) -> tuple[Expr, ...]:
        if self.function is not None:
            pair = self.function(shaped(x, self.shape) if whole else x, t, *given)
            found = tuple(flat(y, self.shape) if whole else y for y in pair)
            return tuple(map(stop_gradient, found)) if held or role == "frozen" else found
        rank = 1 if whole else self.state_rank
        call = n.Call(self.handle, "frozen" if held and role == "live" else role, (x, t, *given), (rank, rank), ())
        return n.Item(call, 0, 2), n.Item(call, 1, 2)

    def predicted(self, head: Predicted, x_t: Expr, t: Expr, given: tuple[Expr, ...]) -> Expr:
        keep = (n.Number(0.0, None),) if head.null else ()
        pair = self.said_at(head.role, head.held, x_t, t, t, (*given, *keep))
        if head.quantity == "velocity":
            return self.flow(pair, x_t, t)
        w, e = self._basis(pair, t)
        if head.quantity == "noise":
            return e
        return -e / self.path.sigma(t) if head.quantity == "score" else x_t - t * w - self.path.sigma(t) * e

    def _basis(self, pair: tuple[Any, ...], t: Any) -> tuple[Any, Any]:
        """The displacement and the noise."""
        if self.predicts == "displacement":
            return pair[0], pair[1]
        v, s = pair
        return v + (0.5 * self.path.volatility**2) * (1 - 2 * t) * s, -self.path.sigma(t) * s  # type: ignore[attr-defined]

    def flow(self, said: tuple[Any, ...], x: Any, t: Any) -> Any:
        if self.predicts == "velocity":
            return said[0]
        slope = self.path.slope(t)  # type: ignore[attr-defined]
        if not isinstance(slope, Expr):
            slope = slope.reshape(-1, *(1,) * (x.dim() - 1))
        return said[0] + slope * said[1]

    def matched(
        self, head: Matching, values: tuple[Expr, ...], extra: dict[str, Expr], given: tuple[Expr, ...]
    ) -> Expr:
        x, start, t, e = self.state(values), extra["start"], extra["t"], extra["e"]
        keep = (extra["keep"],) if "keep" in extra else ()
        x_t = called("x_t", self.path.perturb(x, start, e, t))  # type: ignore[call-arg]
        first, second = self.said_at(head.role, head.held, x_t, t, t, (*given, *keep))
        if self.predicts == "displacement":
            return sqnorm(first - (start - x)) + sqnorm(second - e)
        v = called("v", start - x + self.path.slope(t) * e)  # type: ignore[attr-defined]
        return sqnorm(first - v) + sqnorm(self.path.sigma(t) * second + e)

    # --- solving -----------------------------------------------------------------------------------------------
    def solver_of(self, solver: Any, steps: int | None = None) -> Solver:
        found = super().solver_of(solver, steps)
        if found.target not in ("velocity", "drift"):
            raise ExpressionError(
                f"{self.notation}: {found.said} goes by the signal-to-noise ratio of a Gaussian path, and a bridge between two "
                "distributions has none; write pr.solvers.EulerMaruyama(steps=20) for the process, or pr.solvers.Heun(steps=20) "
                "for the flow"
            )
        return found

    def _conversion(self, scheme: Scheme, stage: int, t: Any) -> tuple[Any, ...]:
        sigma, zero, one = self.path.volatility, np.zeros(len(t)), np.ones(len(t))  # type: ignore[attr-defined]
        root = np.sqrt(np.maximum(t * (1 - t), 1e-30))
        churn = zero if scheme.churn is None else scheme.churn[stage] * 2 * root / sigma  # as a multiple of sigma^2
        if self.predicts == "velocity":
            return zero, one, -churn * sigma**2 / 2
        above = 1 - 2 * t + churn
        above = np.where(np.abs(above) < 1e-9, 0.0, above)  # at t = 1 the process has no pull
        return zero, one, above * sigma / (2 * root)

    def spread_at(self, t: float) -> float:
        return 1.0

    @cached_property
    def nearest(self) -> float:
        return MARGIN

    @cached_property
    def _usual_likelihood(self) -> Solver:
        return RK4(20)  # on the grid that bridges have

    def _ends(self, solver: Solver, near: float) -> tuple[float, float]:
        """As near to the start as to the data: what is known of the start is its law at t = 1, and at no time before."""
        first, last = super()._ends(solver, near)
        return (first if first == 1 else 1 - near), last

    @cached_property
    def trained(self) -> tuple[float, float]:
        return (0.0, 1.0) if self.predicts == "displacement" else (MARGIN, 1 - MARGIN)

    def _has_target(self, t: float) -> bool:
        return True


class AppliedBridge(AppliedModel):
    """A bridge at given conditions."""

    __slots__ = ()

    def matching(self, *values: Any, start: Any = None, t: Any = None, noise: Any = None, law: str | None = None,
                 **named: Any) -> Expr:  # fmt: skip
        r"""The errors of both predictions on the bridge between a datum and a start, one number per row.

        Args:
            values: the data.
            start: the other end: samples, or None for standard normal noise.
            t: the time, in place of a fresh one from ``law``.
            noise: in place of fresh standard normal noise.
            law: of the time: "arcsine", "uniform" or "logit_normal"; None is the model's own.
        """
        if "weight" in named:
            raise ExpressionError(f"{self!r}.matching(weight=...): a bridge weights both of its errors alike")
        dist = self.dist
        data = tuple(map(ranked, dist.values_of(self, values, named), dist.ranks))
        x = dist.state(data)
        if t is None:
            t, _ = times.drawn(law or dist.law, dist.path, dist.trained, x, dist.laws)
        other = _fresh(x) if start is None else ranked(start, dist.state_rank)
        other = called("x_1", coupled(dist.coupling, x, other, 2 * dist.path.volatility**2, self.args))
        extra = {"start": other, "t": timed(t, self)}
        extra["e"] = _fresh(x) if noise is None else ranked(noise, dist.state_rank)
        if dist.drop:
            extra["keep"] = fresh_noise("uniform", row_of(x)) >= dist.drop
        head = Matching(dist, self.role, self.is_held, len(data), "bridge", tuple(extra))
        return n.Definition(head, (*data, *extra.values(), *self.args))


def _fresh(x: Expr) -> Expr:
    return noise(like=x)

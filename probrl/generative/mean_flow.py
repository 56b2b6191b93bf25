"""MeanFlow: average velocities, so that one step goes all the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from probrl.distributions.conditional import row_of
from probrl.distributions.declaration import declare
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.calculus import jvp
from probrl.expr.operators import fresh_noise, maximum, minimum, noise, sqnorm, stop_gradient, where
from probrl.generative.applied import AppliedModel, ranked, timed
from probrl.generative.checked import share
from probrl.generative.conditioned import Spanned
from probrl.generative.heads import Matching
from probrl.generative.jumps import Averages
from probrl.generative.model import Model, read_shapes
from probrl.generative.pieces import called
from probrl.paths import Linear
from probrl.solvers import Scheme


class MeanFlow(Model):
    r"""A conditional distribution whose network predicts the average velocity between two times r <= t.

    .. math:: u(x_t, r, t) = \frac{1}{t - r} \int_r^t v(x_\tau, \tau)\, d\tau, \qquad
              \mathcal{L} = \mathbb{E}\, \big\| u_\theta - \operatorname{sg}\big(v - (t - r)(v\, \partial_x u_\theta
              + \partial_t u_\theta)\big) \big\|^2, \quad v = \alpha'(t)\, x_0 + \sigma'(t)\, \epsilon

    The derivative along the flow is one jvp. A step from t to r is x_r = x_t - (t - r) u(x_t, r, t), of any length; at
    r = t the network says the velocity itself, so that flows, likelihoods and ``.score``, ``.noise``, ``.data`` are there too.

    Args:
        declaration: as of :class:`Model`.
        network: ``net(x_t, t, condition)``; the condition is a dict, in which ``"r"``, of shape ``(rows,)``, stands beside the
            model's own conditions by name: ``TimeMLP(2, condition=1)`` for a model without any.
        path: linear unless something else is said.
        spread: how often r is another time than t in training.
        adaptive: p of the weights 1 / (|error|^2 + 0.001)^p, through which no gradient passes; 0 for the square itself.
        options: ``name``, ``event_shape``, ``drop`` of :class:`Model`.

    Source:
        Geng et al. 2025, "Mean flows for one-step generative modeling", equations 9 to 12; ``adaptive=1`` and ``spread=0.25``
        are its settings.

    Example:
        >>> import probrl as pr
        >>> u = pr.MeanFlow("x", pr.networks.TimeMLP(2, condition=1), name="u")
        >>> loss = pr.mean(u.matching(pr.symbols("x")))
        >>> tuple(u.sample(n=7)["x"].shape)
        (7, 2)
    """

    family = "MeanFlow"
    default_name = "u"
    told = 1  # how far it goes
    usual_path = Linear
    usual_prediction = "velocity"
    usual_weight = "velocity"
    usual_solver = Averages(1)
    direct = False

    def __init__(
        self,
        declaration: str,
        network: Any = None,
        *,
        spread: float = 0.25,
        adaptive: float = 0.0,
        event_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
        **options: Any,
    ):
        if {"predicts", "weight"} & set(options):
            raise ExpressionError("MeanFlow predicts average velocities, weighted alike at all times")
        if isinstance(network, nn.Module):
            declared = declare(declaration)
            event_shape = read_shapes(declared.variables, event_shape, network)
            network = Spanned(network, declared.conditions, event_shape)
        elif network is not None:
            raise ExpressionError("MeanFlow has a network of its own: give a torch module")
        super().__init__(declaration, network, event_shape=event_shape, **options)
        share(self.notation, "spread", spread)
        self.spread, self.adaptive = spread, adaptive

    @classmethod
    def example(cls) -> Any:
        """A small one over three numbers, for the laws."""
        from probrl.networks import TimeMLP

        return cls("a | s", TimeMLP(3, condition=4, hidden=(16,)))

    def applied(self, args: tuple[Expr, ...]) -> Any:
        return AppliedMeanFlow(self.owner, self.role, args)

    def averaged(
        self, role: str, held: bool, x: Expr, t: Expr, r: Expr, given: tuple[Expr, ...], whole: bool = False
    ) -> Expr:
        """The average velocity between two times."""
        role = "frozen" if held and role == "live" else role
        return n.Call(self.handle, role, (x, t, r, *given), 1 if whole else self.state_rank, ())

    def raw_at(self, role: str, held: bool, x: Expr, t: Expr, given: tuple[Expr, ...], whole: bool = False) -> Expr:
        return self.averaged(role, held, x, t, t, given, whole)

    def said_at(
        self, role: str, held: bool, x: Expr, t: Expr, until: Expr, given: tuple[Expr, ...], whole: bool = False
    ) -> tuple[Expr, ...]:
        return (self.averaged(role, held, x, t, until, given, whole),)

    def matched(
        self, head: Matching, values: tuple[Expr, ...], extra: dict[str, Expr], given: tuple[Expr, ...]
    ) -> Expr:
        x, t, r, e = self.state(values), extra["t"], extra["r"], extra["e"]
        given = (*given, extra["keep"]) if "keep" in extra else given
        x_t = called("x_t", self.path.perturb(x, e, t))
        v = called("v", self.path.target("velocity", x, e, t))
        now = self.averaged(head.role, head.held, x_t, t, r, given)
        target = v - (t - r) * jvp(now, {x_t: v, r: 0, t: 1})
        error = sqnorm(now - stop_gradient(target))
        return error if not self.adaptive else error * stop_gradient((error + 1e-3) ** (-self.adaptive))

    def _conversion(self, scheme: Scheme, stage: int, t: Any) -> tuple[Any, ...]:
        return super()._numbers("velocity", t) if scheme.target == "average" else super()._conversion(scheme, stage, t)


class AppliedMeanFlow(AppliedModel):
    """A MeanFlow at given conditions."""

    __slots__ = ()

    def matching(self, *values: Any, t: Any = None, r: Any = None, noise: Any = None, **named: Any) -> Expr:
        """The error of the average velocity between two times, one number per row.

        Args:
            values: the data, one per variable.
            t, r: the times, r <= t, in place of fresh ones: uniform, and r = t but for a share ``spread`` of the rows.
            noise: in place of fresh standard normal noise.
        """
        dist = self.dist
        if {"weight", "law"} & set(named):
            raise ExpressionError(f"{self!r}.matching: MeanFlow weights all times alike, and draws them uniformly")
        data = tuple(map(ranked, dist.values_of(self, values, named), dist.ranks))
        x = dist.state(data)
        if (t is None) != (r is None):
            raise ExpressionError(f"{self!r}.matching(t=..., r=...): both times, or none")
        if t is None:
            one, two, share = (fresh_noise("uniform", row_of(x)) for _ in range(3))
            t = called("t", maximum(one, two))
            r = called("r", where(share < dist.spread, minimum(one, two), t))
        extra = {"t": timed(t, self), "r": timed(r, self)}
        extra["e"] = _fresh(x) if noise is None else ranked(noise, dist.state_rank)
        if dist.drop:
            extra["keep"] = fresh_noise("uniform", row_of(x)) >= dist.drop
        head = Matching(dist, self.role, self.is_held, len(data), "average velocity", tuple(extra))
        return n.Definition(head, (*data, *extra.values(), *self.args))

    def average(self, x_t: Any, r: Any, t: Any) -> Expr:
        """The average velocity between two times."""
        dist = self.dist
        return dist.averaged(
            self.role, self.is_held, ranked(x_t, dist.state_rank), timed(t, self), timed(r, self), self.args
        )


def _fresh(x: Expr) -> Expr:
    return noise(like=x)

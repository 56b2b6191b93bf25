"""Consistency models: from any point of the flow to its end in one call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from probrl.distributions.conditional import row_of
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.definition import PreciseHead
from probrl.expr.operators import floor, fresh_noise, minimum, noise, sqnorm, sqrt, stop_gradient
from probrl.generative.applied import AppliedModel, ranked, timed
from probrl.generative.heads import Matching
from probrl.generative.jumps import Jumps
from probrl.generative.model import Model
from probrl.generative.pieces import called, table
from probrl.generative.solving import MARGIN
from probrl.paths import EDM
from probrl.solvers import Euler, Solver


@dataclass(frozen=True)
class Agreement(Matching):
    """How far a consistency model is from what it says at a less noisy point of the same trajectory."""

    slow: str = "ema"
    huber: float = 0.0

    name = "consistency"


class ConsistencyModel(Model):
    r"""A conditional distribution whose network predicts where the flow through a point ends.

    .. math:: f_\theta(x_t, t) = c_{\mathrm{skip}}(t)\, x_t + c_{\mathrm{out}}(t)\, F_\theta(c_{\mathrm{in}}(t)\, x_t, t),
              \qquad \mathcal{L} = \mathbb{E}\, \| f_\theta(x_t, t) - \operatorname{sg} f_{\bar\theta}(x_{t'}, t') \|^2

    with neighbouring times t > t' of a grid, and

    .. math:: c_{\mathrm{skip}} = \frac{\alpha \sigma_d^2}{(\sigma - \sigma_0)^2 + \alpha^2 \sigma_d^2}, \quad
              c_{\mathrm{out}} = \frac{(\sigma - \sigma_0)\, \sigma_d}{\sqrt{\sigma^2 + \alpha^2 \sigma_d^2}}, \quad
              c_{\mathrm{in}} = \frac{1}{\sqrt{\sigma^2 + \alpha^2 \sigma_d^2}}

    so that f is the identity at t = 0, for every path. Both points are the datum with the same noise (training), or
    ``teacher=`` carries the first to the second (distillation).

    Args:
        declaration: as of :class:`Model`.
        network: F, ``net(x_t, t, condition)``.
        path: EDM's unless something else is said.
        levels: how many steps the grid of training has.
        grid: how they are spaced: "uniform" (which on EDM's path are EDM's noise levels), "log_snr", "quadratic", "angle", "edm".
        slow: whose answer is matched: "ema", the moving average, which the program moves by ``pr.Polyak(f.ema, tau=...)``;
            "live" for the network itself, held still.
        huber: c of the pseudo-Huber distance sqrt(|d|^2 + c^2) - c in place of the square; 0 is the square.
        options: ``name``, ``event_shape``, ``drop`` of :class:`Model`.

    It draws by :class:`~probrl.generative.jumps.Jumps`, one call a step: ``f.sample(n=16, steps=2)``. It has no score and
    no density: what it says is no mean of the data.

    Errors:
        ExpressionError for other solvers, ``score``, ``noise``, ``velocity`` and ``log_prob``.

    Source:
        Song, Dhariwal, Chen and Sutskever 2023, "Consistency models"; Song and Dhariwal 2024, "Improved techniques for
        training consistency models", for ``slow="live"`` and the pseudo-Huber distance.

    Example:
        >>> import probrl as pr
        >>> f = pr.ConsistencyModel("x", pr.networks.TimeMLP(2), name="f")
        >>> x = pr.symbols("x")
        >>> step = pr.Program(pr.Minimize(pr.mean(f.matching(x)), wrt=f), pr.Polyak(f.ema, tau=0.05))
        >>> tuple(f.sample(n=7, steps=2)["x"].shape)
        (7, 2)
    """

    family = "ConsistencyModel"
    default_name = "f"
    usual_path = EDM
    usual_prediction = "data"
    usual_weight = "data"
    usual_solver = Jumps(1)
    direct = False

    def __init__(self, declaration: str, network: Any = None, *, levels: int = 40, grid: str = "uniform",
                 slow: str = "ema", huber: float = 0.0, **options: Any):  # fmt: skip
        if {"predicts", "weight", "law"} & set(options):
            raise ExpressionError("a consistency model predicts the data, at the times of its grid, all weighted alike")
        if not isinstance(network, nn.Module) and network is not None:
            raise ExpressionError("a consistency model has a network of its own: give a torch module")
        if slow not in ("ema", "live"):
            raise ExpressionError(f"slow={slow!r}: 'ema' for the moving average, 'live' for the network itself")
        super().__init__(declaration, network, **options)
        if not huber >= 0:
            raise ExpressionError(f"{self.notation}: huber={huber!r}; c of the pseudo-Huber distance, 0 for the square")
        self.slow, self.huber = slow, huber
        self.levels = self.grid(tuple(Euler(levels, grid=grid).times(self.path)))

    def applied(self, args: tuple[Expr, ...]) -> Any:
        return AppliedConsistency(self.owner, self.role, args)

    @property
    def said(self) -> str:
        """The family, its path and its grid."""
        return f"{self.family} along {type(self.path).__name__}, trained at {len(self.levels)} times"

    def raw_at(self, role: str, held: bool, x: Expr, t: Expr, given: tuple[Expr, ...], whole: bool = False) -> Expr:
        network = super().raw_at(role, held, self._word("c_in", t) * x, t, given, whole)
        return self._word("c_skip", t) * x + self._word("c_out", t) * network

    def _word(self, name: str, t: Expr) -> Expr:
        return n.Definition(PreciseHead(rf"c_{{\mathrm{{{name[2:]}}}}}", getattr(self.owner, name)), (t,))

    @cached_property
    def _letters(self) -> tuple[Expr, Expr | int]:
        """The deviation of the data and the noise at t = 0, as they print; no noise is no letter."""
        least = float(f"{self.path.sigma(0.0):.12g}")  # without the last digits, which are rounding
        return n.Number(float(self.path.sigma_data), "sigma_d"), n.Number(least, "sigma_0") if least else 0

    def c_skip(self, t: Any) -> Any:
        """The share of the state in what is said of the data."""
        a, s, (d, least) = self.path.alpha(t), self.path.sigma(t), self._letters
        return d**2 * a / (_less(s, least) ** 2 + d**2 * a**2)

    def c_out(self, t: Any) -> Any:
        """The share of the network."""
        a, s, (d, least) = self.path.alpha(t), self.path.sigma(t), self._letters
        return d * _less(s, least) / sqrt(s**2 + d**2 * a**2)

    def c_in(self, t: Any) -> Any:
        """By how much the network sees the state smaller."""
        a, s, (d, _) = self.path.alpha(t), self.path.sigma(t), self._letters
        return 1 / sqrt(s**2 + d**2 * a**2)

    def matched(
        self, head: Matching, values: tuple[Expr, ...], extra: dict[str, Expr], given: tuple[Expr, ...]
    ) -> Expr:
        assert isinstance(head, Agreement)
        given = (*given, extra["keep"]) if "keep" in extra else given
        here = self.raw_at(head.role, head.held, extra["x_t"], extra["t"], given)
        slow = head.role if head.slow == "live" else head.slow
        there = stop_gradient(self.raw_at(slow, False, extra["x_next"], extra["t_next"], given))
        error = sqnorm(here - there)
        return error if not head.huber else sqrt(error + head.huber**2) - head.huber

    def solver_of(self, solver: Any, steps: int | None = None) -> Solver:
        found = super().solver_of(solver, steps)
        if not isinstance(found, Jumps):
            raise ExpressionError(
                f"{self.notation}: {found.said} goes along a flow, and a consistency model jumps to its end; write steps=2, "
                "or solver=pr.Jumps(steps=2)"
            )
        return found

    def likelihood_of(self, solver: Any, grid: Any) -> Any:
        raise ExpressionError(
            f"{self.notation}.log_prob(...): a consistency model says where the flow ends and not how it gets there, so it has no "
            "density; ask the pr.Diffusion or pr.Flow that it was distilled from"
        )


class AppliedConsistency(AppliedModel):
    """A consistency model at given conditions."""

    __slots__ = ()

    def matching(self, *values: Any, t: Any = None, t_next: Any = None, noise: Any = None, teacher: Any = None,
                 slow: str | None = None, **named: Any) -> Expr:  # fmt: skip
        """The distance of the answers at two neighbouring points of a trajectory, one number per row.

        Args:
            values: the data, one per variable.
            t, t_next: the times of both, in place of neighbours of the grid.
            noise: in place of fresh standard normal noise.
            teacher: an applied model along the same path, whose prediction carries x_t to t_next by one step of DDIM; None
                noises the datum anew with the same noise.
            slow: whose answer is matched, see :class:`ConsistencyModel`.
        """
        dist = self.dist
        if {"weight", "law"} & set(named):
            raise ExpressionError(f"{self!r}.matching: a consistency model weights all times of its grid alike")
        data = tuple(map(ranked, dist.values_of(self, values, named), dist.ranks))
        x = dist.state(data)
        if (t is None) != (t_next is None):
            raise ExpressionError(f"{self!r}.matching(t=..., t_next=...): both times, or none")
        if t is None:
            t, t_next = self._neighbours(x, teacher)
        t, t_next = timed(t, self), timed(t_next, self)
        e = _fresh(x) if noise is None else ranked(noise, dist.state_rank)
        x_t = called("x_t", dist.path.perturb(x, e, t))
        x_next = called(r"x_{t'}", self._carried(teacher, x, e, x_t, t, t_next))
        extra = {"x_t": x_t, "t": t, "x_next": x_next, "t_next": t_next}
        if dist.drop:
            extra["keep"] = fresh_noise("uniform", row_of(x)) >= dist.drop
        head = Agreement(
            dist,
            self.role,
            self.is_held,
            len(data),
            "consistency",
            tuple(extra),
            slow=slow or dist.slow,
            huber=dist.huber,
        )
        return n.Definition(head, (*data, *extra.values(), *self.args))

    def _neighbours(self, x: Expr, teacher: Any) -> tuple[Expr, Expr]:
        levels: np.ndarray[Any, Any] = self.dist.levels
        if teacher is not None and not teacher.dist.path.finite(teacher.dist.predicts, "data")[1]:
            levels = np.minimum(levels, 1 - MARGIN)  # at t = 1 its prediction says nothing of the data
        count = len(levels) - 1
        k = called("k", minimum(floor(count * fresh_noise("uniform", row_of(x))), count - 1))
        return called("t", table("tau", levels, k)), called("t_next", table("tau", levels, k + 1))

    def _carried(self, teacher: Any, x: Expr, e: Expr, x_t: Expr, t: Expr, t_next: Expr) -> Expr:
        path = self.dist.path
        if teacher is None:
            found: Expr = path.perturb(x, e, t_next)
            return found
        if getattr(teacher.dist, "path", None) != path:
            raise ExpressionError(f"{self!r}.matching(teacher={teacher!r}): the teacher goes along another path")
        still = teacher.held()
        return stop_gradient(path.alpha(t_next) * still.data(x_t, t) + path.sigma(t_next) * still.noise(x_t, t))

    def _refused(self, what: str) -> Any:
        raise ExpressionError(
            f"{self!r}.{what}: a consistency model says where the flow ends, which is no mean, so no {what} follows from it; ask "
            "the pr.Diffusion or pr.Flow that it was distilled from"
        )

    def score(self, x_t: Any, t: Any) -> Expr:
        """Refused: no score follows from the end of the flow."""
        return self._refused("score")

    def noise(self, x_t: Any, t: Any) -> Expr:
        """Refused: no mean of the noise follows from the end of the flow."""
        return self._refused("noise")

    def velocity(self, x_t: Any, t: Any) -> Expr:
        """Refused: no velocity follows from the end of the flow."""
        return self._refused("velocity")


def _less(s: Any, least: Any) -> Any:
    return s - least if isinstance(least, Expr) else s


def _fresh(x: Expr) -> Expr:
    return noise(like=x)

"""A generative model at given conditions: asked for errors, draws, predictions, chains and densities."""

from __future__ import annotations

from typing import Any

from probrl.distributions.applied import Applied
from probrl.distributions.conditional import row_of
from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis, index_axis
from probrl.expr.base import Expr
from probrl.expr.operators import fresh_noise, lift
from probrl.generative import times
from probrl.generative.chain import Chain, chain_of, drift_at, kernel_at
from probrl.generative.heads import FlowLogProb, Matching, Predicted, Solved
from probrl.generative.pieces import event_like


class AppliedModel(Applied):
    """``mu(s)`` of a generative model."""

    __slots__ = ()

    def held(self) -> AppliedModel:
        """The same model with its parameters held still."""
        return type(self)(self.dist, self.role, self.args, True)

    # --- training ----------------------------------------------------------------------------------------------
    def matching(
        self,
        *values: Any,
        t: Any = None,
        noise: Any = None,
        weight: str | None = None,
        law: str | None = None,
        **named: Any,
    ) -> Expr:
        r"""The error of the model at a noised value: :math:`w(t) \|m(x_t, t) - \text{target}\|^2`, one number per row.

        Args:
            values: the data, one per variable.
            t: the time, in place of a fresh one from ``law``.
            noise: in place of fresh standard normal noise.
            weight: the error that is weighted equally at all times: "noise", "velocity", "data", "score", "F", or
                "likelihood" or "min_snr"; None is the model's own.
            law: of the time: "uniform", "likelihood", "logit_normal", "edm" or "arcsine"; None is the model's own.
        """
        data = tuple(map(ranked, self.dist.values_of(self, values, named), self.dist.ranks))
        x = self.dist.state(data)
        density: Expr | None = None
        if t is None:
            t, density = times.drawn(law or self.dist.law, self.dist.path, self.dist.trained, x)
        e = self.dist.coupled(x, self.args) if noise is None else noise
        extra = {"t": timed(t, self), "e": ranked(e, self.dist.state_rank)}
        if density is not None:
            extra["density"] = density
        if self.dist.drop:
            extra["keep"] = fresh_noise("uniform", row_of(x)) >= self.dist.drop
        head = Matching(self.dist, self.role, self.is_held, len(data), weight or self.dist.weight, tuple(extra))
        return n.Definition(head, (*data, *extra.values(), *self.args))

    # --- predictions -------------------------------------------------------------------------------------------
    def score(self, x_t: Any, t: Any) -> Expr:
        """The gradient of the logarithm of the density at a time."""
        return self._predicted("score", x_t, t)

    def noise(self, x_t: Any, t: Any) -> Expr:
        """The mean of the noise in x_t."""
        return self._predicted("noise", x_t, t)

    def data(self, x_t: Any, t: Any) -> Expr:
        """The mean of the data behind x_t."""
        return self._predicted("data", x_t, t)

    def velocity(self, x_t: Any, t: Any) -> Expr:
        """dx/dt of the probability flow."""
        return self._predicted("velocity", x_t, t)

    def without(self, quantity: str, x_t: Any, t: Any) -> Expr:
        """A prediction with the conditions dropped, as in training with ``drop``: what guidance leads away from."""
        return self._predicted(quantity, x_t, t, null=True)

    def _predicted(self, quantity: str, x_t: Any, t: Any, null: bool = False) -> Expr:
        head = Predicted(self.dist, self.role, self.is_held, quantity, null)
        return n.Definition(head, (ranked(x_t, self.dist.state_rank), timed(t, self), *self.args))

    # --- solving -----------------------------------------------------------------------------------------------
    def draw(
        self,
        count: int | None = None,
        axis: str | None = None,
        *,
        per: Any = None,
        gradient: str | None = None,
        solver: Any = None,
        steps: int | None = None,
        start: Any = None,
        grid: Any = None,
    ) -> Any:
        """A value that a solver brings from noise to data; gradients pass through its steps.

        Args:
            count, axis, per: as of every draw.
            gradient: gradients pass as they are: None.
            solver: None is the model's own.
            steps: of that solver.
            start: the state at t = 1, in place of fresh noise.
            grid: its own times, falling.

        Returns:
            An expression; of several variables a tuple of them.
        """
        if gradient is not None:
            raise ExpressionError(f"{self!r}.draw(gradient={gradient!r}): gradients pass through a solver as they are")
        if (count is None) != (axis is None):
            raise ExpressionError(
                f"{self!r}.draw(16, 'k'): the number of draws and the name of the new axis go together"
            )
        solver = self.dist.solver_of(solver, steps)
        ends = self.dist.times(solver, grid)
        extra = () if axis is None or count is None else ((index_axis(axis), int(count)),)
        start = None if start is None else ranked(start, self.dist.state_rank)
        noises = self._noises(solver, ends, extra, per, start)
        rest = (*(() if start is None else (start,)), *self.args)
        found = tuple(
            n.Definition(
                Solved(self.dist, self.role, self.is_held, None, len(noises), solver, ends, start is not None, i),
                (*noises, *rest),
            )
            for i in range(len(self.dist.shapes))
        )
        return found[0] if len(found) == 1 else found

    def _noises(
        self, solver: Any, times: tuple[float, ...], extra: tuple[tuple[Axis, int], ...], per: Any, start: Expr | None
    ) -> tuple[Expr, ...]:
        """The noise that it begins with, and that of the steps."""
        rows = (lift(per),) if per is not None else self.args or (() if start is None else (start,))
        like = event_like(row_of(*rows) if rows else lift(1.0), self.dist.shape)
        first = () if start is not None else (fresh_noise("normal", like, extra),)
        if not solver.stochastic:
            return first
        if start is not None and solver.scheme(self.dist.schedule, self.dist.grid(times)).widening:
            first = (fresh_noise("normal", like, extra),)
        return (*first, fresh_noise("normal", like, (*extra, (index_axis("step"), len(times) - 1))))

    def chain(self, solver: Any = None, *, start: Any = None, axis: str = "k", grid: Any = None) -> Chain:
        """The states of a solver, aligned: x, x_next, t, t_next, drift and scale along an index axis, and x_end."""
        solver = self.dist.solver_of(solver)
        start = None if start is None else ranked(start, self.dist.state_rank)
        times = self.dist.times(solver, grid)
        return chain_of(self, solver, times, self._noises(solver, times, (), None, start), start, axis)

    def chain_drift(self, chain: Chain) -> Expr:
        """This model's drift at the states of a chain, under the chain's noise."""
        return drift_at(self, chain.x, chain.t, chain.solver)

    def kernel(self, x: Any, t: Any, t_next: Any = None, *, solver: Any = None) -> Applied:
        """The transition from a state: a normal distribution of the next one.

        Args:
            x: the state.
            t: its time, or, without ``t_next``, the index of the solver's step.
            t_next: the next time.
            solver: None is the model's own, which must be stochastic.
        """
        later = None if t_next is None else ranked(t_next, 0)
        return kernel_at(self, ranked(x, self.dist.state_rank), ranked(t, 0), later, self.dist.solver_of(solver))

    def log_prob(
        self, *values: Any, divergence: Any = "exact", solver: Any = None, grid: Any = None, **named: Any
    ) -> Expr:
        """The logarithm of the density by the probability flow: a scalar per row.

        It is the density of what the model draws: of normal noise of deviation sigma(1), carried along its flow. Where a path
        keeps some data at t = 1 (alpha(1) is 0.0066 on the linear VP path), that differs from the data's, however well the
        network is trained: by up to 0.02 nats at three deviations. Where no flow reaches t = 1, as when a network predicts the
        noise on the linear path, one step of DDIM goes there from just before it, unless a grid says where to begin.

        Args:
            values: one per variable.
            divergence: "exact", or how many Rademacher probes estimate it, the same along a trajectory.
            solver: a deterministic one with fixed steps; None is RK4 with 40 steps.
            grid: its own times, rising.
        """
        data = tuple(map(ranked, self.dist.values_of(self, values, named), self.dist.ranks))
        solver, times, leaps = self.dist.likelihood_of(solver, grid)
        probes = self.dist.probes_of(divergence)
        head = FlowLogProb(self.dist, self.role, self.is_held, len(data), solver, times, leaps, probes)
        if not probes:
            return n.Definition(head, (*data, *self.args))
        x = self.dist.state(data, whole=True)
        probe = fresh_noise("rademacher", x, ((index_axis("probe"), probes),))
        return n.Definition(head, (probe, *data, *self.args))

    def prob(self, *values: Any, **options: Any) -> Expr:
        """The density: a scalar per row."""
        from probrl.expr.operators import exp

        return exp(self.log_prob(*values, **options))


def ranked(value: Any, rank: int) -> Expr:
    """A value as an expression; a column whose rank is still open gets the rank that it has here."""
    x = lift(value)
    return n.Symbol(x.name, rank, x.axes, x.depth) if isinstance(x, n.Symbol) and x.rank is None else x


def timed(t: Any, applied: Applied) -> Expr:
    """A time as an expression.

    Errors:
        DataError for a number outside [0, 1].
    """
    x = ranked(t, 0)
    if isinstance(x, n.Number) and not 0 <= float(x.value) <= 1:
        raise DataError(f"{applied!r}: the time {float(x.value):g} is outside [0, 1]; 0 is data, 1 is noise")
    return x

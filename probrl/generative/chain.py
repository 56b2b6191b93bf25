"""The chain of a solver: its states side by side, and the transition between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from probrl.distributions.applied import Applied
from probrl.distributions.normal import Normal
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import abs, sqrt, stack, stop_gradient
from probrl.generative import integration
from probrl.generative.heads import Solved
from probrl.generative.jumps import leads_to
from probrl.generative.pieces import table
from probrl.solvers import advance

if TYPE_CHECKING:
    from probrl.generative.applied import AppliedModel


@dataclass(frozen=True, repr=False)
class Chain:
    """A solver's states along an index axis, from noise to data.

    Attributes:
        x: before each step.
        x_next: after it.
        t, t_next: their times.
        drift: (mean of x_next - x) / (t_next - t): how fast the model moves it, noise aside.
        scale: of the noise of the step.
        x_end: the last state.
        solver: whose.
    """

    x: Expr
    x_next: Expr
    t: Expr
    t_next: Expr
    drift: Expr
    scale: Expr
    x_end: Expr
    solver: Any

    def __repr__(self) -> str:
        return f"Chain({self.solver!r})"  # its formulas fill pages

    def held(self) -> Chain:
        """The same values, through which no gradient passes."""
        parts = {name: stop_gradient(getattr(self, name)) for name in ("x", "x_next", "drift", "x_end")}
        return Chain(**parts, t=self.t, t_next=self.t_next, scale=self.scale, solver=self.solver)

    @property
    def h(self) -> Expr:
        """The length of each step, positive."""
        return self.t - self.t_next


def chain_of(
    applied: AppliedModel,
    solver: Any,
    times: tuple[float, ...],
    noises: tuple[Expr, ...],
    start: Expr | None,
    axis: str,
) -> Chain:
    """The chain of a model: all states of one solution."""
    dist = applied.dist
    head = Solved(dist, applied.role, applied.is_held, None, len(noises), solver, times, start is not None)
    scheme = solver.scheme(dist.schedule, dist.grid(times))
    first = dist.first_state(scheme, start, noises)
    steps = list(integration.passed(head, noises, start, applied.args))
    states = [first, *(x for x, _ in steps)]
    h = np.diff(dist.grid(times))
    drifts = [(1 / float(h[k])) * (taken.mean - states[k]) for k, (_, taken) in enumerate(steps)]
    index = n.Range(stack(states[:-1], axis).type.axis(axis), stack(states[:-1], axis))
    grid = dist.grid(times)
    scale = np.zeros(len(h)) if scheme.scale is None else scheme.scale
    return Chain(
        x=stack(states[:-1], axis),
        x_next=stack(states[1:], axis),
        t=table("t", grid[:-1], index),
        t_next=table("t_next", grid[1:], index),
        drift=stack(drifts, axis),
        scale=table("scale", scale, index),
        x_end=states[-1],
        solver=solver,
    )


def drift_at(applied: AppliedModel, x: Expr, t: Expr, solver: Any) -> Expr:
    """dx/dt of the mean of a reverse process at states: v - g'^2 / 2 score."""
    drift = applied.velocity(x, t)
    if not solver.stochastic:
        return drift
    return drift - 0.5 * applied.dist.path.reverse_noise(t, solver.noise) * applied.score(x, t)


def kernel_at(applied: AppliedModel, x: Expr, t: Expr, t_next: Expr | None, solver: Any) -> Applied:
    """The normal distribution of the next state.

    Errors:
        ExpressionError for a solver whose steps have no noise, or, between two times, is not Euler-Maruyama.
    """
    dist = applied.dist
    if not solver.stochastic:
        raise ExpressionError(
            f"{applied!r}.kernel(...): {solver.said} adds no noise, so a state has one successor and no density; give a "
            "stochastic one, as in solver=pr.solvers.EulerMaruyama(steps=10)"
        )
    if t_next is None:
        return _step_of(applied, x, t, solver)
    if type(solver).__name__ != "EulerMaruyama":
        raise ExpressionError(
            f"{applied!r}.kernel(x, t, t_next): between two times of one's own only Euler-Maruyama has a kernel; "
            "give the index of a step, kernel(x, k)"
        )
    noise = dist.path.reverse_noise(t, solver.noise)
    loc = x + (t_next - t) * drift_at(applied, x, t, solver)
    return _normal(dist, loc, sqrt(noise * abs(t_next - t)))


def _step_of(applied: AppliedModel, x: Expr, index: Expr, solver: Any) -> Applied:
    dist = applied.dist
    times = dist.grid(dist.times(solver))
    scheme = solver.scheme(dist.schedule, times)
    coefficients = dist.coefficients(scheme)

    def pick(numbers: Any) -> Any:
        found = table("c", numbers, index)
        return float(found.value) if isinstance(found, n.Number) else found

    def field(stage: int, point: Any) -> Any:
        t, until = table("t", scheme.stages[stage], index), table("t_next", leads_to(scheme, stage), index)
        said = dist.said_at(applied.role, applied.is_held, point, t, until, applied.args)
        return integration.combined([pick(c[stage]) for c in coefficients], (point, *said))

    taken = advance(scheme, pick, x, field)
    return _normal(dist, taken.mean, taken.scale)


def _normal(dist: Any, loc: Expr, scale: Any) -> Applied:
    made = Normal(loc=loc, scale=scale, rank=dist.state_rank, name=dist.notation)
    found: Applied = made.applied(made.given)
    return found

"""How a model is solved: which solver, from which time to which, and what the network's share in each step is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from probrl.errors import DataError, ExpressionError
from probrl.paths import GaussianPath
from probrl.solvers import RK4, Adaptive, Scheme, Solver, own_times
from probrl.solvers.schedule import values

MARGIN = 1e-3  # how far from an end a solver stays where its numbers grow beyond every bound
LEAP = -5.0  # log(alpha / sigma) where a likelihood takes its last step, as shorter ones would enlarge errors
CLOSER = 100  # by how much closer to data a likelihood goes, because it asks about data without noise
TOO_LARGE = 1e8


class Solving:
    """The part of a model that solvers read: times, coefficients and the scale of the start."""

    notation: str
    path: GaussianPath
    predicts: str
    weight: str
    solver: Solver

    @property
    def schedule(self) -> Any:
        """The path, as solvers see it."""
        return self.path

    def solver_of(self, solver: Any, steps: int | None = None) -> Solver:
        """The solver that was asked for, checked.

        Errors:
            ExpressionError for something else.
        """
        found = self.solver if solver is None else solver
        if not isinstance(found, Solver):
            raise ExpressionError(
                f"{self.notation}: solver={solver!r}; write one of pr.solvers, as in pr.solvers.Heun(steps=10)"
            )
        return found if steps is None else replace(found, steps=steps)

    def likelihood_of(self, solver: Any, grid: Any) -> tuple[Solver, tuple[float, ...], bool]:
        """The solver of a log-probability, its times, from data to noise, and whether one step more leads to pure noise."""
        found = self._usual_likelihood if solver is None else self.solver_of(solver)
        if found.stochastic or found.target != "velocity":
            raise ExpressionError(
                f"{self.notation}.log_prob(solver={found.said}): a likelihood goes along the velocity; write a Runge-Kutta "
                "method, as in pr.solvers.RK4(steps=20)"
            )
        if grid is not None:
            times = self._own_grid(found, grid)
            if times[0] > times[-1]:
                raise DataError(
                    f"{self.notation}.log_prob(grid=...): a likelihood goes from data to noise, so the times rise; a falling grid, "
                    f"from {times[0]:g} to {times[-1]:g}, is one for .sample"
                )
            return found, times, False
        first, last = self._ends(found, self.nearest / CLOSER)
        if first == 1 - MARGIN:
            times = tuple(map(float, found.times(self.schedule, last, float(self.path.time_of(LEAP)))))
            if self._bounded(found, times):  # else alpha falls so steeply that it is small at t = 1 alone
                return found, times, True
        return found, tuple(map(float, found.times(self.schedule, last, first))), False

    @cached_property
    def _usual_likelihood(self) -> Solver:
        """Steps that are as short near data and near noise as the path asks for."""
        wide = min(float(self.schedule.sigma(0.0)), float(self.schedule.alpha(1.0))) > 1 / TOO_LARGE
        return RK4(40, grid="edm" if wide else "angle")

    @staticmethod
    def probes_of(divergence: Any) -> int:
        """How many probes estimate a divergence; 0 for the exact one."""
        if divergence == "exact":
            return 0
        if isinstance(divergence, bool) or not isinstance(divergence, int) or divergence < 1:
            raise ExpressionError(f"divergence={divergence!r}: write 'exact', or a number of probes")
        return divergence

    def times(self, solver: Solver, grid: Any = None) -> tuple[float, ...]:
        """The times of a solver, from noise to data, as far to both ends as its numbers are finite.

        Errors:
            DataError for a grid of one's own with a time at which they are not.
        """
        if grid is not None:
            return self._own_grid(solver, grid)
        known = self.__dict__.setdefault("_times", {})
        if solver not in known:
            known[solver] = tuple(solver.times(self.schedule, *self._ends(solver, self.nearest)))
        return known[solver]

    def _own_grid(self, solver: Solver, grid: Any) -> tuple[float, ...]:
        own = own_times(grid)
        if not self._bounded(solver, own):
            raise DataError(
                f"{self.notation}: the numbers of {solver.said} grow beyond every bound at the end of its grid, from {own[0]:g} "
                f"to {own[-1]:g}; stay off it, as in {MARGIN:g} for 0 and {1 - MARGIN:g} for 1, or give no grid"
            )
        return tuple(own)

    @cached_property
    def nearest(self) -> float:
        """How near to data solvers go that cannot reach it: the noise that stays is below 2 % of the data."""
        found = float(self.path.time_of(4.0))
        return min(MARGIN, found) if found > 0 else MARGIN  # a path that has noise at 0 may never get there

    def _ends(self, solver: Solver, near: float) -> tuple[float, float]:
        """Both ends, or times near to them: what a network says is divided by the little of the data, or noise, left there."""
        far = 1 - MARGIN
        for first, last in ((1.0, 0.0), (1.0, near), (far, 0.0), (far, near)):
            try:
                if self._bounded(solver, solver.times(self.schedule, first, last)):
                    return first, last
            except DataError:
                return 1.0, 0.0
        return far, near

    def _bounded(self, solver: Solver, times: Any) -> bool:
        """Whether a solver's numbers for a grid are bounded, and what its network is to say at the ends is."""
        if isinstance(solver, Adaptive):  # it has no steps whose numbers could be looked at
            solver = RK4(10)
        scheme, every = self._weights(solver, times)
        asked = {float(t) for stage in scheme.stages for t in stage if t in (0, 1)}
        return all((np.abs(a) < TOO_LARGE).all() for a in every) and all(self._has_target(t) for t in asked)

    def _weights(self, solver: Solver, times: Any) -> tuple[Scheme, list[Any]]:
        """A solver's numbers for a grid, and all of them that weigh something."""
        with np.errstate(all="ignore"):
            scheme = solver.scheme(self.schedule, times)
            numbers = [*self.coefficients(scheme), (scheme.final.state, *scheme.final.predictions)]
        rows = [a for p in scheme.points for a in (p.state, *p.predictions)]
        return scheme, [a for g in numbers for a in g] + rows + ([] if scheme.scale is None else [scheme.scale])

    @staticmethod
    def grid(times: tuple[float, ...]) -> np.ndarray[Any, Any]:
        """Times as an array."""
        return np.asarray(times, dtype=np.float64)

    def coefficients(self, scheme: Scheme) -> tuple[tuple[Any, ...], ...]:
        """The shares of the state and of the network's prediction(s) in what the solver asks for, each by stage."""
        found = [self._conversion(scheme, i, t) for i, t in enumerate(scheme.stages)]
        return tuple(zip(*found, strict=True))

    def _conversion(self, scheme: Scheme, stage: int, t: Any) -> tuple[Any, ...]:
        if scheme.target != "drift":
            return self._numbers(scheme.target, t)
        assert scheme.churn is not None
        (a, b), (c, d) = self._numbers("velocity", t), self._numbers("noise", t)
        return a + scheme.churn[stage] * c, b + scheme.churn[stage] * d

    def _numbers(self, target: str, t: Any) -> tuple[Any, Any]:
        found = self.path.conversion(self.predicts, target)
        a, b = (np.full(len(t), float(c)) if isinstance(c, int) else values(c, t) for c in found)
        return a, b

    def noise_at(self, t: float) -> list[float]:
        """The shares of the state and of the network's prediction in the noise that it sees at a time."""
        return [float(weight[0]) for weight in self._numbers("noise", np.array([t]))]

    def start_scale(self, scheme: Scheme, reverse: bool = False) -> float:
        """The standard deviation of the state at the noisy end."""
        return math.sqrt(self.spread_at(float(scheme.times[-1 if reverse else 0])) ** 2 + scheme.widening)

    def first_state(self, scheme: Scheme, start: Any, noises: Sequence[Any]) -> Any:
        """Where the steps begin: fresh noise, or a start; one that a scheme widens first gets the noise that belongs to it."""
        if start is None:
            scale = self.start_scale(scheme)
            return noises[0] if scale == 1 else scale * noises[0]
        return start + math.sqrt(scheme.widening) * noises[0] if scheme.widening else start

    def spread_at(self, t: float) -> float:
        """The standard deviation of what a solver starts from at a time."""
        return float(self.path.sigma(t))

    def flow(self, said: tuple[Any, ...], x: Any, t: Any) -> Any:
        """dx/dt at a state, from what the network says there."""
        return self.path.convert(said[0], x, t, source=self.predicts, target="velocity")

    @cached_property
    def trained(self) -> tuple[float, float]:
        """The first and the last time that it is trained at: where the target and its weight are finite."""
        near, far = (self._has_target(t) and self._has_weight(t) for t in (0.0, 1.0))
        return (0.0 if near else MARGIN), (1.0 if far else 1 - MARGIN)

    def _has_target(self, t: float) -> bool:
        """Whether what the network says is finite at a time."""
        return all(abs(self.path.target(self.predicts, x, e, t)) < TOO_LARGE for x, e in ((1.0, 0.0), (0.0, 1.0)))

    def _has_weight(self, t: float) -> bool:
        return self.weight == self.predicts or abs(self.path.weight(t, self.weight, over=self.predicts)) < TOO_LARGE

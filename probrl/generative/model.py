"""The base of the models that bring noise to data along a path: conditional distributions like any other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from torch import nn

from probrl.distributions.base import Distribution
from probrl.distributions.declaration import declare
from probrl.distributions.outputs import event_size
from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import noise, sqnorm
from probrl.generative.applied import AppliedModel
from probrl.generative.conditioned import Conditioned, size
from probrl.generative.heads import Matching, Predicted
from probrl.generative.pieces import flat, joint, part, shaped
from probrl.generative.tensors import Tensors
from probrl.paths import GaussianPath
from probrl.paths.derived import PREDICTIONS
from probrl.solvers import RK4, Scheme, Solver, own_times

MARGIN = 1e-3  # how far from an end a solver stays where its numbers grow beyond every bound
NEAR = 1e-5  # how close to data a likelihood goes
TOO_LARGE = 1e8


class Model(Tensors, Distribution):
    """A conditional distribution given by a Gaussian path and a network that predicts along it.

    Args:
        declaration: ``"a | s"``; several variables, ``"x, y | s"``, need their ``event_shape`` by name.
        network: a module ``net(x_t, t, condition)`` with t of shape ``(B,)`` and condition None, a tensor or a dict; or a
            function of expressions ``(x_t, t, *conditions)``.
        path: the path; None is the class's own.
        predicts: "noise", "score", "data", "velocity" or "F": what the network says.
        name: how it prints.
        event_shape: of a value; a vector's is read off the network's last layer.
        weight: which error is weighted equally at all times, see :meth:`AppliedModel.matching`.
        law: of the times that it is trained at.
        drop: how often the conditions are replaced by zeros in training, for guidance.
        solver: what draws from it.

    Errors:
        ExpressionError for a prediction or a weight that is none.
    """

    family = "generative model"
    reparameterised = True
    usual_path: ClassVar[Callable[[], GaussianPath]]
    usual_prediction: ClassVar[str] = "noise"
    usual_weight: ClassVar[str] = "noise"
    usual_solver: ClassVar[Solver]
    keys = ()

    def __init__(
        self,
        declaration: str,
        network: Any = None,
        *,
        path: GaussianPath | None = None,
        predicts: str | None = None,
        name: str | None = None,
        event_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
        weight: str | None = None,
        law: str = "uniform",
        drop: float = 0.0,
        solver: Solver | None = None,
    ):
        declared = declare(declaration)
        known = _shapes(declared.variables, event_shape)
        if isinstance(network, nn.Module) and not isinstance(network, Conditioned):
            network = Conditioned(network, declared.conditions, known or _read_off(declared.variables, network))
        rank = len(next(iter(known.values()))) if len(known) == 1 else 1
        super().__init__(declaration, network, name=name, rank=rank)
        self.path = type(self).usual_path() if path is None else path
        self.predicts = predicts or self.usual_prediction
        self.weight = weight or self.usual_weight
        self.law, self.drop = law, drop
        self.solver = solver or self.usual_solver
        self._known = known
        self._refuse_unknown()

    @classmethod
    def example(cls) -> Any:
        """A small one over three numbers, for the laws."""
        from probrl.networks import TimeMLP

        return cls("a | s", TimeMLP(3, condition=3, hidden=(16,)))

    def _refuse_unknown(self) -> None:
        if self.predicts not in PREDICTIONS:
            raise ExpressionError(
                f"{self.notation}: predicts={self.predicts!r}; a network predicts {', '.join(map(repr, PREDICTIONS))}"
            )
        if not 0 <= self.drop < 1:
            raise ExpressionError(f"{self.notation}: drop={self.drop}; a share in [0, 1)")

    # --- what it is made of ------------------------------------------------------------------------------------
    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The event shape of every variable.

        Errors:
            ExpressionError where it is said nowhere.
        """
        if not self._known:
            net = self.handle.module
            self._known = dict(net.shapes) if isinstance(net, Conditioned) else {}
        if not self._known:
            raise ExpressionError(
                f"{self.notation}: the shape of '{self.variable}' cannot be read off its network: add event_shape=(n,)"
            )
        return self._known

    @property
    def ranks(self) -> tuple[int, ...]:
        known = self._known
        return tuple(len(known[v]) if v in known else 1 for v in self.declaration.variables)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the state: that of the only variable, or of all as one vector."""
        each = tuple(self.shapes.values())
        return each[0] if len(each) == 1 else (sum(map(size, each)),)

    @property
    def state_rank(self) -> int:
        """The event dimensions of the state."""
        return self.rank

    @property
    def schedule(self) -> GaussianPath:
        """The path, as solvers see it."""
        return self.path

    @property
    def event_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """The shape of the state."""
        return self.shape

    def applied(self, args: tuple[Expr, ...]) -> Any:
        return AppliedModel(self.owner, self.role, args)

    @property
    def said(self) -> str:
        """The family, its path and what its network says."""
        return f"{self.family} along {type(self.path).__name__}, predicts the {self.predicts}"

    def __getattr__(self, name: str) -> Any:
        if name in ("matching", "score", "noise", "data", "velocity", "chain", "kernel") and not name.startswith("_"):
            if not self.declaration.conditions:
                return getattr(self.applied(()), name)
            names = ", ".join(self.declaration.conditions)
            raise ExpressionError(
                f"{self.notation} is declared as '{self.declaration}': apply it first, {self.notation}({names}).{name}(...)"
            )
        return super().__getattr__(name)

    # --- formulas ----------------------------------------------------------------------------------------------
    def raw_at(self, role: str, held: bool, x: Expr, t: Expr, given: tuple[Expr, ...], whole: bool = False) -> Expr:
        """What the network says at a state; with ``whole`` the state and the answer are vectors."""
        if self.function is not None:
            if role not in ("live", "frozen"):
                raise ExpressionError(
                    f"{self.notation}.{role}: it has no network of its own; take the role of the one it is made of"
                )
            inside = shaped(x, self.shape) if whole else x
            found: Expr = self.function(inside, t, *given)
            found = flat(found, self.shape) if whole else found
            return n.StopGradient(found) if held or role == "frozen" else found
        if held and role == "live":
            role = "frozen"
        return n.Call(self.handle, role, (x, t, *given), 1 if whole else self.state_rank, ())

    def predicted(self, head: Predicted, x_t: Expr, t: Expr, given: tuple[Expr, ...]) -> Expr:
        """A prediction of the asked kind at a state."""
        keep = (n.Number(0.0, None),) if head.null else ()
        value = self.raw_at(head.role, head.held, x_t, t, (*given, *keep))
        return self.path.convert(value, x_t, t, source=self.predicts, target=head.quantity)

    def matched(
        self, head: Matching, values: tuple[Expr, ...], extra: dict[str, Expr], given: tuple[Expr, ...]
    ) -> Expr:
        """w(t) |m(x_t, t) - target|^2."""
        x, t, e = self.state(values), extra["t"], extra["e"]
        x_t = self.path.perturb(x, e, t)
        keep = (extra["keep"],) if "keep" in extra else ()
        error = sqnorm(
            self.raw_at(head.role, head.held, x_t, t, (*given, *keep)) - self.path.target(self.predicts, x, e, t)
        )
        w: Any = 1 if head.weight == self.predicts else self.path.weight(t, head.weight, over=self.predicts)
        if "density" in extra:
            w = w / extra["density"]
        return error if isinstance(w, int) else w * error

    def coupled(self, x: Expr) -> Expr:
        """The noise that a value is brought together with in training: its own."""
        return noise(like=x)

    def state(self, values: tuple[Expr, ...], whole: bool = False) -> Expr:
        """The values of the variables as one state; with ``whole`` as a vector."""
        if len(values) > 1:
            return joint(values, tuple(self.shapes.items()))
        return flat(values[0], self.shape) if whole else values[0]

    def value(self, x: Expr, position: int) -> Expr:
        """A variable of a state."""
        return x if len(self.shapes) == 1 else part(x, position, tuple(self.shapes.items()))

    # --- solving -----------------------------------------------------------------------------------------------
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
        from dataclasses import replace

        return found if steps is None else replace(found, steps=steps)

    def likelihood_of(self, solver: Any, grid: Any) -> tuple[Solver, tuple[float, ...]]:
        """The solver of a log-probability, and its times, from data to noise."""
        found = RK4(20, grid="log_snr") if solver is None else self.solver_of(solver)
        if found.stochastic or found.target != "velocity":
            raise ExpressionError(
                f"{self.notation}.log_prob(solver={found.said}): a likelihood goes along the velocity; write a Runge-Kutta "
                "method, as in pr.solvers.RK4(steps=20)"
            )
        if grid is not None:
            return found, tuple(own_times(grid))
        first, last = self._ends(found, NEAR)
        return found, tuple(found.times(self.schedule, last, first))

    @staticmethod
    def probes_of(divergence: Any) -> int:
        """How many probes estimate a divergence; 0 for the exact one."""
        if divergence == "exact":
            return 0
        if isinstance(divergence, bool) or not isinstance(divergence, int) or divergence < 1:
            raise ExpressionError(f"divergence={divergence!r}: write 'exact', or a number of probes")
        return divergence

    def times(self, solver: Solver, grid: Any = None) -> tuple[float, ...]:
        """The times of a solver, from noise to data, as far to both ends as its numbers are finite."""
        if grid is not None:
            return tuple(own_times(grid))
        known = self.__dict__.setdefault("_times", {})
        if solver not in known:
            near = min(MARGIN, float(self.path.time_of(4.0)))  # the noise that stays is below 2 % of the data
            known[solver] = tuple(solver.times(self.schedule, *self._ends(solver, near)))
        return known[solver]

    def _ends(self, solver: Solver, margin: float) -> tuple[float, float]:
        for first, last in ((1.0, 0.0), (1.0, margin), (1 - MARGIN, 0.0), (1 - MARGIN, margin)):
            try:
                with np.errstate(all="ignore"):
                    scheme = solver.scheme(self.schedule, solver.times(self.schedule, first, last))
                    numbers = [*self.coefficients(scheme), (scheme.final.state, *scheme.final.predictions)]
                    rows = [a for p in scheme.points for a in (p.state, *p.predictions)]
            except DataError:
                return 1.0, 0.0
            every = [a for group in numbers for a in group] + rows + ([] if scheme.scale is None else [scheme.scale])
            if all(np.isfinite(a).all() and (np.abs(a) < TOO_LARGE).all() for a in every):
                return first, last
        return 1 - MARGIN, margin

    @staticmethod
    def grid(times: tuple[float, ...]) -> np.ndarray[Any, Any]:
        """Times as an array."""
        return np.asarray(times, dtype=np.float64)

    def coefficients(self, scheme: Scheme) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Of each stage, the shares of the state and of the network's prediction in what the solver asks for."""
        found = [self._conversion(scheme, i, t) for i, t in enumerate(scheme.stages)]
        return tuple(a for a, _ in found), tuple(b for _, b in found)

    def _conversion(self, scheme: Scheme, stage: int, t: Any) -> tuple[Any, Any]:
        if scheme.target != "drift":
            return self._numbers(scheme.target, t)
        assert scheme.churn is not None
        (a, b), (c, d) = self._numbers("velocity", t), self._numbers("noise", t)
        return a + scheme.churn[stage] * c, b + scheme.churn[stage] * d

    def _numbers(self, target: str, t: Any) -> tuple[Any, Any]:
        from probrl.solvers.schedule import values

        found = self.path.conversion(self.predicts, target)
        a, b = (np.full(len(t), float(c)) if isinstance(c, int) else values(c, t) for c in found)
        return a, b

    def start_scale(self, scheme: Scheme, reverse: bool = False) -> float:
        """The standard deviation of the state at the noisy end."""
        sigma = float(self.path.sigma(float(scheme.times[-1 if reverse else 0])))
        return math.sqrt(sigma**2 + scheme.widening)

    @cached_property
    def trained(self) -> tuple[float, float]:
        """The first and the last time that it is trained at: where the target and its weight are finite."""
        near, far = (self._trains_at(end) for end in (0.0, 1.0))
        return (0.0 if near else MARGIN), (1.0 if far else 1 - MARGIN)

    def _trains_at(self, t: float) -> bool:
        numbers = [self.path.target(self.predicts, x, e, t) for x, e in ((1.0, 0.0), (0.0, 1.0))]
        if self.weight != self.predicts:
            numbers.append(self.path.weight(t, self.weight, over=self.predicts))
        return all(math.isfinite(x) and abs(x) < TOO_LARGE for x in numbers)


def _shapes(variables: tuple[str, ...], given: Any) -> dict[str, tuple[int, ...]]:
    if given is None:
        if len(variables) > 1:
            raise ExpressionError(
                f"several variables ({', '.join(variables)}) need their shapes: event_shape={{'{variables[0]}': (n,), ...}}"
            )
        return {}
    if isinstance(given, Mapping):
        if set(given) != set(variables):
            raise ExpressionError(f"event_shape is for {', '.join(given)}, and declared are {', '.join(variables)}")
        return {v: tuple(int(i) for i in given[v]) for v in variables}
    if len(variables) > 1:
        raise ExpressionError(
            f"event_shape={given!r} is one shape, and declared are {', '.join(variables)}: give a dict"
        )
    return {variables[0]: tuple(int(i) for i in given)}


def _read_off(variables: tuple[str, ...], network: nn.Module) -> dict[str, tuple[int, ...]]:
    shape = getattr(network, "event_shape", None)
    if shape is not None:
        return {variables[0]: tuple(shape)}
    return {variables[0]: (event_size(network),)}

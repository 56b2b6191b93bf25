"""What a fixed-step solver is: numbers. A step is linear in the state and in what the model predicts at a few points.

.. math:: x^{(i)} = p_i\\, x + \\sum_{j < i} q_{ij}\\, m_j, \\qquad m_i = m(x^{(i)}, t_i), \\qquad
          x' = p\\, x + \\sum_j q_j\\, m_j + c\\, \\epsilon

Only ``+`` and ``*`` touch the state, so the same step runs on tensors and on formulas, and can be printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from probrl.solvers.schedule import Array

Pick = Callable[[Array], Any]  # the number of one step, or a formula that looks it up


def of_step(step: int) -> Pick:
    """Picks the numbers of one step.

    Example:
        >>> import numpy as np
        >>> of_step(1)(np.array([0.5, 0.25]))
        0.25
    """
    return lambda numbers: float(numbers[step])


@dataclass(frozen=True)
class Row:
    """A linear combination, one for each step: the share of the state, and those of the predictions."""

    state: Array
    predictions: tuple[Array, ...] = ()

    def at(self, pick: Pick, x: Any, predictions: Sequence[Any]) -> Any:
        """The combination at one step; terms without weight are left out."""
        total = _times(pick(self.state), x)
        for weights, m in zip(self.predictions, predictions, strict=False):
            term = _times(pick(weights), m)
            total = term if total is None else total if term is None else total + term
        return 0 * x if total is None else total


@dataclass(frozen=True)
class Scheme:
    """The coefficients of a solver for one grid of times.

    Attributes:
        times: ``(K + 1,)``, from the noisiest to the cleanest (or back, for a likelihood).
        target: what is asked of the model: "velocity", "noise", "data", or "drift" of a reverse process.
        stages: the times of the evaluations of each step, ``(K,)`` each; the first is the step's own time.
        points: where they are made, after the first, which is the state itself.
        final: the state after the step; its predictions are those of the stages, then of the steps before.
        scale: ``(K,)``, of the noise that is added, or None.
        churn: ``(K,)``, g'^2 / (2 sigma) at each stage's time, by which the noise goes into the drift; or None.
        widening: the variance that the start has besides its own.

    Example:
        >>> import probrl as pr
        >>> path, heun = pr.paths.Linear(), pr.solvers.Heun(steps=2)
        >>> heun.scheme(path, heun.times(path)).final.predictions  # weights of the velocities at both ends, by step
        (array([-0.25, -0.25]), array([-0.25, -0.25]))
    """

    times: Array
    target: str
    stages: tuple[Array, ...]
    points: tuple[Row, ...]
    final: Row
    scale: Array | None = None
    churn: tuple[Array, ...] | None = None
    widening: float = 0.0

    @property
    def steps(self) -> int:
        """How many."""
        return len(self.times) - 1

    @property
    def memory(self) -> int:
        """How many predictions of earlier steps a step looks back to."""
        return len(self.final.predictions) - len(self.stages)


@dataclass(frozen=True)
class Taken:
    """What a step gave: its mean, the scale of its noise, and where the model was asked for what."""

    mean: Any
    scale: Any
    points: tuple[Any, ...]
    predictions: tuple[Any, ...]


def advance(scheme: Scheme, pick: Pick, x: Any, field: Callable[[int, Any], Any], past: Sequence[Any] = ()) -> Taken:
    """One step from a state, before noise. A stage that the step does not read is not evaluated.

    Args:
        scheme: the solver's numbers.
        pick: those of the step, see :func:`of_step`.
        x: the state: a tensor or a formula.
        field: the target at a point, by stage.
        past: the first predictions of earlier steps, the newest first.

    Example:
        >>> import probrl as pr
        >>> path, euler = pr.paths.Linear(), pr.solvers.Euler(steps=2)
        >>> advance(euler.scheme(path, euler.times(path)), of_step(0), 1.0, lambda stage, x: -x).mean
        1.5
    """
    points, predictions = [x], [field(0, x)]
    for i, row in enumerate(scheme.points, start=1):
        read = any(not _is_zero(pick(r.predictions[i])) for r in (*scheme.points[i:], scheme.final))
        points.append(row.at(pick, x, predictions) if read else x)
        predictions.append(field(i, points[-1]) if read else None)
    mean = scheme.final.at(pick, x, [*predictions, *past])
    return Taken(mean, 0.0 if scheme.scale is None else pick(scheme.scale), tuple(points), tuple(predictions))


def solve(
    scheme: Scheme,
    x: Any,
    field: Callable[[int, int, Any], Any],
    noise: Callable[[int, Any], Any],
    begun: Callable[[int, Any], Any] | None = None,
) -> Iterator[tuple[Any, Taken]]:
    """All steps, one after the other: the state after each, and what the step was.

    Args:
        scheme: the solver's numbers.
        x: the first state.
        field: the target at a point, by step and stage.
        noise: by step and mean, standard normal noise of the state's shape; asked only where the scale is not 0.
        begun: by step and state, the state that the step goes on with, such as the same under a letter.

    Example:
        >>> import probrl as pr
        >>> path, euler = pr.paths.Linear(), pr.solvers.Euler(steps=2)
        >>> steps = solve(euler.scheme(path, euler.times(path)), 1.0, lambda k, stage, x: -x, noise=None)
        >>> [x for x, _ in steps]
        [1.5, 2.25]
    """
    past: list[Any] = []
    for k in range(scheme.steps):
        x = x if begun is None else begun(k, x)
        taken = advance(scheme, of_step(k), x, partial(field, k), past)
        x = taken.mean if taken.scale == 0 else taken.mean + taken.scale * noise(k, taken.mean)
        past = [taken.predictions[0], *past][: scheme.memory]
        yield x, taken


def _is_zero(weight: Any) -> bool:
    """Whether a weight is the number 0, so that nobody has to compute what it weighs."""
    return isinstance(weight, float) and weight == 0.0


def _times(weight: Any, x: Any) -> Any:
    if isinstance(weight, float) and weight in (0.0, 1.0):
        return x if weight else None
    return weight * x

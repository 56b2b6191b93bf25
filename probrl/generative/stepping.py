"""The steps of a solver on tensors, with all their numbers worked out beforehand: nothing but the network and sums is left."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from probrl.graph.compiling import compiled
from probrl.solvers import Scheme

Terms = tuple[tuple[int, float], ...]  # which tensor, times what


@dataclass(frozen=True)
class Step:
    """One step: of each stage that it reads its point and what is asked of the network there, and where it ends.

    Attributes:
        points: of each stage the combination of the state (0) and the earlier predictions (1, 2, ...); None where it is
            not read.
        fields: of each stage the share of the point, and those of what the network says.
        final: the state after the step: of the state (0), then the stages' predictions, then those of earlier steps.
        scale: of the noise.
    """

    points: tuple[Terms | None, ...]
    fields: tuple[tuple[float, ...], ...]
    final: Terms
    scale: float


class Stepping:
    """A solver for one grid of times, ready to run.

    Args:
        scheme: its numbers.
        coefficients: of each stage, the shares of the state and of what the network says in what the solver asks for.
    """

    def __init__(self, scheme: Scheme, coefficients: Sequence[Sequence[Any]]):
        self.steps = tuple(_step(scheme, coefficients, k) for k in range(scheme.steps))
        self.memory, self.stages = scheme.memory, len(scheme.stages)

    @property
    def noises(self) -> tuple[bool, ...]:
        """Of each step whether it adds noise."""
        return tuple(step.scale != 0 for step in self.steps)

    def run(self, x: Tensor, asked: Callable[[int, int, Tensor], tuple[Tensor, ...]], noise: Any) -> list[Tensor]:
        """All states after the first.

        Args:
            x: the first.
            asked: what the network says, by step, stage and point.
            noise: standard normal noise by step and state, asked only where a step adds some.
        """
        past: list[Tensor] = []
        states = []
        for k, step in enumerate(self.steps):
            known: list[Any] = [x]
            for i, point in enumerate(step.points):
                if point is None:
                    known.append(None)
                    continue
                y = x if i == 0 else summed(point, known)
                share, *weights = step.fields[i]
                terms = [(j, w) for j, w in enumerate(weights) if w] + ([(-1, share)] if share else [])
                known.append(summed(tuple(terms), [*asked(k, i, y), y]))
            x = summed(step.final, [*known, *past])
            if step.scale:
                x = x.add(noise(k, x), alpha=step.scale)
            past = [known[1], *past][: self.memory]
            states.append(x)
        return states


class Ready:
    """A solver's steps on a device, eager and compiled.

    Args:
        scheme, coefficients: as of :class:`Stepping`.
        spread: the standard deviation of the first state.
        like: of the dtype and on the device where states are.
        name: of the model, for warnings.
    """

    def __init__(self, scheme: Scheme, coefficients: Sequence[Sequence[Any]], spread: float, like: Tensor, name: str):
        self.stepping, self.spread, self.name = Stepping(scheme, coefficients), spread, name
        self.widening = scheme.widening
        times = [torch.tensor(t, dtype=like.dtype, device=like.device) for t in (*scheme.stages, scheme.times[1:])]
        *self.at, ends = times
        self.ends = [ends] if scheme.target == "average" else []  # until when what is asked is averaged
        self._compiled: dict[Hashable, Any] = {}

    def run(
        self, x: Tensor, predict: Any, conditions: Sequence[Any], generator: Generator | None, key: Hashable = None
    ) -> list[Tensor]:
        """All states after the first.

        Args:
            x: the first.
            predict: what the network says at conditions: ``predict(x, t, t_next, conditions)``.
            conditions: of the model.
            generator: of the noise.
            key: of what is compiled, so that one graph takes all steps; None runs them one by one.
        """

        def fresh(k: int, x: Tensor) -> Tensor:
            return torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)

        if key is None:
            return self._steps(x, predict, conditions, fresh)
        drawn = [fresh(k, x) if adds else None for k, adds in enumerate(self.stepping.noises)]
        if key not in self._compiled:

            def loop(x: Tensor, drawn: list[Any], conditions: Sequence[Any]) -> list[Tensor]:
                return self._steps(x, predict, conditions, lambda k, _: drawn[k])

            self._compiled[key] = compiled(loop, "sample")
        try:
            found: list[Tensor] = self._compiled[key](x, drawn, conditions)
        except RuntimeError:  # compiled code does not say what failed; the same steps, one by one, do
            self._steps(x, predict, conditions, lambda k, _: drawn[k])
            raise
        return found

    def _steps(self, x: Tensor, predict: Any, conditions: Sequence[Any], noise: Any) -> list[Tensor]:
        at, until = ([t.unsqueeze(1).expand(-1, x.shape[0]).unbind() for t in times] for times in (self.at, self.ends))

        def asked(k: int, stage: int, x: Tensor) -> tuple[Tensor, ...]:
            t = at[stage][k]
            found: tuple[Tensor, ...] = predict(x, t, until[0][k] if until else t, conditions)
            return found

        return self.stepping.run(x, asked, noise)


def summed(terms: Terms, values: Sequence[Any]) -> Tensor:
    """The weighted sum of some of the values."""
    total: Tensor | None = None
    for i, weight in terms:
        if total is None:
            total = values[i] if weight == 1 else values[i] * weight
        else:
            total = total.add(values[i], alpha=weight)
    return 0 * values[0] if total is None else total


def _step(scheme: Scheme, coefficients: Sequence[Sequence[Any]], k: int) -> Step:
    def terms(row: Any) -> Terms:
        weights = [float(row.state[k]), *(float(p[k]) for p in row.predictions)]
        return tuple((i, w) for i, w in enumerate(weights) if w)

    points: list[Terms | None] = [()]
    for i, row in enumerate(scheme.points, start=1):
        read = any(float(r.predictions[i][k]) for r in (*scheme.points[i:], scheme.final))
        points.append(terms(row) if read else None)
    fields = tuple(tuple(float(c[i][k]) for c in coefficients) for i in range(len(scheme.stages)))
    scale = 0.0 if scheme.scale is None else float(scheme.scale[k])
    return Step(tuple(points), fields, terms(scheme.final), scale)

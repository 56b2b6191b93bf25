"""Running moments of what is seen, and one array by its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from probrl.errors import DataError
from probrl.expr import nodes as n
from probrl.expr.axes import BATCH, Axis
from probrl.expr.base import Expr
from probrl.expr.operators import sqrt
from probrl.expr.traversal import substitute
from probrl.graph.function import Function
from probrl.objectives.normalized import SMALL, normalized
from probrl.training.in_numpy import translated
from probrl.training.plain import Array

# Moments of no more observations are not used while they change at every step: the first ones hardly differ, and divided by
# their deviation they say nothing. HalfCheetah reached returns of 1,700 with them from the first step on, and 4,000 so.
ENOUGH = 2048


class Moments:
    """Mean and variance of all numbers so far, in float64; those of some rows are merged in at once.

    Source: Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance".
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self.count = 0.0
        self.mean = torch.zeros(shape, dtype=torch.float64)
        self.variance = torch.ones(shape, dtype=torch.float64)  # before anything is seen, nothing is scaled

    def merge(self, rows: Tensor) -> None:
        """Takes in rows ``(n, *shape)``."""
        count = len(rows)
        if not count:
            return
        rows = rows.to("cpu", torch.float64)
        mean, total = rows.mean(0), self.count + count
        apart = mean - self.mean
        squares = rows.var(0, correction=0) * count + apart**2 * (self.count * count / total)
        self.variance = (squares + self.variance * self.count) / total
        self.mean = self.mean + apart * (count / total)
        self.count = total

    def state(self) -> dict[str, Any]:
        """Plain types and tensors."""
        return {"count": self.count, "mean": self.mean.clone(), "variance": self.variance.clone()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from what :meth:`state` gave."""
        if state["mean"].shape != self.mean.shape:
            raise DataError(f"moments of shape {tuple(state['mean'].shape)} do not fit {tuple(self.mean.shape)}")
        self.count = float(state["count"])
        self.mean, self.variance = state["mean"].clone(), state["variance"].clone()


class Entry:
    """One array that is seen, with its moments and its formula.

    Args:
        path: where it stands in a dict of arrays; "" where the observation is the array.
        shape: of one observation.
    """

    def __init__(self, path: str, shape: tuple[int, ...]) -> None:
        self.moments, self.rank = Moments(shape), len(shape)
        self.name = path.replace(".", "_")
        self._width, self._apply, _ = _lowered(self.rank)
        self._frozen: dict[torch.device, tuple[Tensor, Tensor]] = {}
        self._steps: list[tuple[Tensor, Tensor]] = []  # the moments at every step that was watched
        self._watched = False

    def equations(self, axes: tuple[Axis, ...]) -> dict[str, Expr]:
        """What the columns of this array become."""
        whose = f"_{self.name}" if self.name else ""
        mean, variance = (n.Symbol(f"{x}_o{whose}", self.rank, (), None) for x in ("mean", "var"))
        rows = {f"s{whose}{of}": n.Symbol(f"o{whose}{of}", self.rank, axes, None) for of in ("", "_next")}
        return {name: normalized(row, mean, variance) for name, row in rows.items()}

    def __call__(self, observation: Tensor) -> Tensor:
        """Observations ``(..., *shape)`` by the moments as they are; while these are watched, they take them in first."""
        if self._watched:
            self._take(observation)
        held = self._frozen.get(observation.device)
        if held is None:
            held = self._frozen[observation.device] = self._values(observation.device)
        return self._by(*held, observation)

    def in_numpy(self) -> Callable[[Array], Array]:
        """The same over float32 arrays, for acting without torch; what is not watched stays as it is now."""
        apply = _lowered(self.rank)[2]
        mean, width = (x.numpy() for x in self._values(torch.device("cpu")))

        def taking(observation: Array) -> Array:
            mean, width = self._take(torch.from_numpy(observation))
            return apply(o=observation, mean=mean.numpy(), width=width.numpy())[0]

        return taking if self._watched else lambda observation: apply(o=observation, mean=mean, width=width)[0]

    def watch(self) -> None:
        """From here on moments follow what is seen step by step, if they know nothing yet; few are not used."""
        self._steps, self._watched = [], not self.moments.count

    def rest(self, whole: bool) -> None:
        """Ends that; unless a ``whole`` rollout was seen, it is forgotten."""
        if self._watched and not whole:
            self._begin()
        self._watched = False

    def seen(self, observation: Tensor) -> Tensor:
        """A rollout's observations ``(N, T, *shape)`` as they were when the policy acted on them."""
        if not self._steps:
            return self(observation)
        mean, width = (torch.stack(values).to(observation.device) for values in zip(*self._steps, strict=True))
        return self._by(mean, width, observation)

    def take_in(self, rows: Tensor) -> None:
        """The rows of a rollout that count become part of the moments."""
        if self._steps:
            self._begin()
        self.moments.merge(rows)
        self._frozen.clear()

    def _begin(self) -> None:
        self.moments, self._steps = Moments(tuple(self.moments.mean.shape)), []
        self._frozen.clear()

    def _take(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        self.moments.merge(observation)
        self._frozen.clear()
        self._steps.append(self._values(torch.device("cpu")))
        return self._steps[-1]

    def _by(self, mean: Tensor, width: Tensor, observation: Tensor) -> Tensor:
        seen = observation if observation.dtype is torch.float32 else observation.to(torch.float32)
        result: Tensor = self._apply(o=seen, mean=mean, width=width)[0]
        return result

    def _values(self, device: torch.device) -> tuple[Tensor, Tensor]:
        few = self._watched and self.moments.count <= ENOUGH
        moments = Moments(tuple(self.moments.mean.shape)) if few else self.moments
        (width,) = self._width(variance=moments.variance)
        return moments.mean.to(device, torch.float32), width.to(device, torch.float32)

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes over moments that were saved."""
        self.moments.set_state(state)
        self._frozen.clear()


@cache
def _lowered(rank: int) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The formula of an observation: what stays the same during a rollout, and the rest in torch and in numpy."""
    o, (mean, variance, width) = (
        n.Symbol("o", rank, (BATCH,), None),
        (n.Symbol(x, rank, (), None) for x in ("mean", "variance", "width")),
    )
    root = sqrt(variance + SMALL)
    rest = substitute(normalized(o, mean, variance), {root: width})
    apply = Function({"s": rest})
    return Function({"width": root})._forward, apply._forward, translated(apply)

"""One update: losses, gradients, clipping, the optimisers' arithmetic, refused where anything is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from probrl.expr.base import Expr
from probrl.graph.eager import in_two
from probrl.graph.function import Function
from probrl.graph.group import Group


@dataclass
class Goal:
    """A loss and the parameters that it moves.

    Attributes:
        name: of the loss, among the metrics.
        groups: the parameters, by optimiser.
        sign: 1 to minimise, -1 to maximise.
        max_norm: the bound on the global norm of the gradient over all groups: a number, a formula, or None.
    """

    name: str
    loss: Expr
    groups: Sequence[Group]
    sign: float = 1.0
    max_norm: Any = None


class Descent:
    """Goals whose losses are evaluated at the same parameters, with what is reported of that evaluation.

    Args:
        goals: one, or several for a Together.
        reports: further formulas, by name.
        stop: a condition under which this update is refused, or None.
        flat: whether the data axes are one.
    """

    def __init__(self, goals: Sequence[Goal], reports: Mapping[str, Expr], stop: Expr | None, flat: bool):
        self.goals = list(goals)
        outputs: dict[str, Expr] = {f"loss:{i}": g.loss for i, g in enumerate(goals)}
        for i, goal in enumerate(goals):
            for j, group in enumerate(goal.groups):
                if isinstance(group.optimizer.lr, Expr):
                    outputs[f"lr:{i}:{j}"] = group.optimizer.lr
            if isinstance(goal.max_norm, Expr):
                outputs[f"norm:{i}"] = goal.max_norm
        if stop is not None:
            outputs["stop"] = stop
        outputs.update({f"report:{k}": v for k, v in reports.items()})
        self.function = Function(outputs, flat)
        self.names = list(outputs)
        self.reports = list(reports)
        self.parameters = [p for g in self.goals for group in g.groups for p in group.parameters]
        self.moved: list[list[bool]] | None = None
        self.lone = len(self.goals) == 1 and len(self.goals[0].groups) == 1
        self._eagerly: Any = None

    # --- shared by both drivers --------------------------------------------------------------------------------
    def limit(self, i: int, values: Mapping[str, Any]) -> Any:
        """The bound on a goal's norm, or None."""
        return values.get(f"norm:{i}", self.goals[i].max_norm)

    def lr(self, i: int, j: int, values: Mapping[str, Any]) -> Any:
        """The learning rate of a group."""
        return values.get(f"lr:{i}:{j}", self.goals[i].groups[j].optimizer.lr)

    def metrics(self, values: Mapping[str, Any], norms: Sequence[Tensor], accepted: Sequence[Tensor]) -> dict[str, Any]:
        """What one update says of itself: losses, reports, gradient norms, whether all was finite."""
        found: dict[str, Any] = {}
        for i, goal in enumerate(self.goals):
            found[goal.name] = _detached(values[f"loss:{i}"])
            found[f"{goal.name}_grad_norm" if len(self.goals) > 1 else "grad_norm"] = norms[i]
        found.update({k: _detached(values[f"report:{k}"]) for k in self.reports})
        finite = accepted[0]
        for other in accepted[1:]:
            finite = torch.minimum(finite, other)
        found["finite"] = finite
        if "stop" in values:
            found["stop"] = _detached(values["stop"])
        return found

    # --- eager -------------------------------------------------------------------------------------------------
    def run(self, bound: Mapping[str, Any], stopped: Tensor | None = None) -> dict[str, Any]:
        """The update with ``torch.autograd`` and in-place kernels; ``stopped`` is 1 where it must not move anything."""
        if self._eagerly is None:
            self._eagerly = in_two(self.function.module, len(self.goals))
        results = self._eagerly(**self.function.networks(), **bound)
        values = dict(zip(self.names, results, strict=True))
        gradients: list[Any] = []
        last = len(self.goals) - 1
        for i, goal in enumerate(self.goals):
            parameters = [p for group in goal.groups for p in group.parameters]
            loss = values[f"loss:{i}"]
            found = torch.autograd.grad(
                loss if goal.sign > 0 else -loss, parameters, retain_graph=i < last, allow_unused=True
            )
            gradients.append(found)
        norms, accepted = [], []
        with torch.no_grad():
            for i, goal in enumerate(self.goals):
                norm, finite = self._apply(i, goal, gradients[i], values, stopped)
                norms.append(norm)
                accepted.append(finite)
        return self.metrics(values, norms, accepted)

    def _apply(
        self, i: int, goal: Goal, found: Sequence[Any], values: Mapping[str, Any], stopped: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        reached = [g for g in found if g is not None]
        judge = judged_on_the_host if all(g.device.type == "cpu" for g in reached) else judged
        stop = [] if stopped is None else [stopped, *([values["stop"]] if "stop" in values else [])]
        norm, finite, refused, scale = judge(reached, values[f"loss:{i}"].detach(), stop, self.limit(i, values))
        start = 0
        for j, group in enumerate(goal.groups):
            part = found[start : start + len(group.parameters)]
            start += len(group.parameters)
            if any(g is not None for g in part):
                group.update(part, self.lr(i, j, values), scale, refused, [g is not None for g in part])
        return norm, finite


ONE, ZERO = torch.ones(()), torch.zeros(())
Judgement = tuple[Tensor, Tensor, Tensor, Tensor | None]


def judged(gradients: Sequence[Tensor], loss: Tensor, stop: Sequence[Tensor], limit: Any) -> Judgement:
    """The global norm, whether all is finite, whether the update is refused, and what divides the gradients.

    Args:
        gradients: of one goal.
        loss: its value.
        stop: what is not 0 where nothing must move.
        limit: the bound on the norm, or None.
    """
    norms = torch._foreach_norm(list(gradients))
    norm = torch.linalg.vector_norm(torch.stack(norms)) if len(norms) > 1 else norms[0]
    finite = torch.isfinite(norm + loss).to(torch.float32)
    refused = 1 - finite
    for condition in stop:
        refused = torch.maximum(refused, condition.to(torch.float32))
    return norm, finite, refused, None if limit is None else torch.clamp((norm + 1e-6) / limit, min=1.0)


def judged_on_the_host(gradients: Sequence[Tensor], loss: Tensor, stop: Sequence[Tensor], limit: Any) -> Judgement:
    """The same with Python's numbers, which cost a tenth of a torch operation where reading a tensor waits for nothing."""
    norm = math.hypot(*[float(x) for x in torch._foreach_norm(list(gradients))])
    finite = math.isfinite(norm + float(loss))
    refused = not finite or any(float(condition) > 0 for condition in stop)
    number = partial(torch.tensor, dtype=gradients[0].dtype, device="cpu")
    scale = None if limit is None else number(max((norm + 1e-6) / float(limit), 1.0))
    return number(norm), ONE if finite else ZERO, ONE if refused else ZERO, scale


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else torch.tensor(float(value))

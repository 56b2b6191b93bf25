"""From a distribution to the one fast call per step that a loop makes: the policy's own formulas, lowered together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from probrl.errors import ExpressionError
from probrl.expr.base import Expr
from probrl.expr.operators import symbols
from probrl.graph.cells import tensor_of
from probrl.graph.function import Function
from probrl.graph.noise import draw

Sampler = Callable[[Tensor], tuple[Tensor, ...]]  # the action and its log-probability


class Acting:
    r"""Formulas of one observation, as a function of many: :math:`a \sim \pi(\cdot | s)` and :math:`\log \pi(a | s)`.

    One graph computes all outputs, so the network is called once. Noise is an input of the graph: :meth:`prepare` draws
    that of many calls at once.

    Args:
        outputs: the formulas by name.
        column: the name of the observation in them.
        generator: what their noise is drawn from; None is torch's own.
    """

    def __init__(self, outputs: dict[str, Expr], column: str, generator: torch.Generator | None = None) -> None:
        self._function, self._column, self._generator = Function(outputs), column, generator
        self._shapes: dict[torch.Size, list[tuple[int, ...]]] = {}
        self._ready: list[list[Tensor]] = []
        self._rows: torch.Size | None = None
        self._steps = 1
        self._names = [self._function.inputs.noises[noise] for noise in self._function.noises]
        self._forward = self._function.module.forward

    def prepare(self, steps: int) -> None:
        """Says that so many calls on observations of one shape follow, whose noise may be drawn together."""
        self._steps = steps
        self._ready = []

    def __call__(self, observation: Any) -> tuple[Tensor, ...]:
        bound: dict[str, Any] = {self._column: observation, **self._function.networks()}
        for cell, name in self._function.inputs.cells.items():
            bound[name] = tensor_of(cell)
        if self._names:
            if not self._ready or self._rows != _first(observation).shape:
                self._draw(observation)
            bound.update(zip(self._names, self._ready.pop(), strict=True))
        return self._forward(**bound)

    def _draw(self, observation: Any) -> None:
        like = _first(observation)
        rows = like.shape
        if rows not in self._shapes:
            self._shapes[rows] = self._function.noise_shapes({self._column: observation}, self._generator)
        dtype = like.dtype if like.is_floating_point() else torch.get_default_dtype()
        blocks: Sequence[Tensor] = [
            draw(noise, (self._steps, *shape), dtype, like.device, self._generator)
            for noise, shape in zip(self._function.noises, self._shapes[rows], strict=True)
        ]
        self._ready = [list(values) for values in zip(*(block.unbind() for block in blocks), strict=True)]
        self._ready.reverse()
        self._rows, self._steps = rows, 1


def _first(observation: Any) -> Tensor:
    """An observation's tensor; of a dict of them, the first."""
    while not isinstance(observation, Tensor):
        observation = next(iter(observation.values()))
    return observation


def sampler(actor: Any, generator: torch.Generator | None = None) -> Sampler:
    r"""From observations ``(N, ...)`` to an action :math:`a \sim \pi(\cdot | s)` and its :math:`\log \pi(a | s)`.

    A distribution whose draw is no formula (a pixyz one of the user's) is sampled and then asked.
    """
    if hasattr(actor, "acting"):
        return actor.acting(generator=generator)
    variable, condition = actor.var[0], actor.cond_var[0]
    try:
        policy = actor(symbols(condition))
        action = policy.draw()
        return Acting({"action": action, "log_prob": policy.log_prob(action)}, condition, generator)
    except ExpressionError:
        pass

    def sample(observation: Tensor) -> tuple[Tensor, Tensor]:
        action = actor.sample({condition: observation})[variable]
        return action, actor.log_prob({variable: action, condition: observation}, exact=True)

    return sample


def chooser(actor: Any) -> Callable[[Tensor], Tensor]:
    """A function from observations ``(N, ...)`` to the actions that the distribution thinks best: mode, else mean."""
    if hasattr(actor, "acting"):
        return actor.acting(deterministic=True)
    variable, condition = actor.var[0], actor.cond_var[0]
    for best in ("mode", "mean"):
        try:
            act = Acting({"action": getattr(actor(symbols(condition)), best)()}, condition)
        except (ExpressionError, AttributeError):
            continue
        return lambda observation: act(observation)[0]

    def choose(observation: Tensor) -> Tensor:
        return actor.sample({condition: observation}, sample_mean=True)[variable]

    return choose

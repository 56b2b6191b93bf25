"""From a distribution to the one fast call per step that a loop makes: the policy's own formulas, lowered together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probrl.errors import ExpressionError
from probrl.expr.base import Expr
from probrl.expr.operators import symbols
from probrl.graph.cells import tensor_of
from probrl.graph.function import Function
from probrl.graph.noise import draw
from probrl.training.in_numpy import in_numpy

Array = np.ndarray[Any, Any]
Sampler = Callable[[Any], tuple[Tensor, ...]]  # the action and its log-probability
See = Callable[[Any], Any]  # from what the environment shows to what the formulas read


class Acting:
    r"""Formulas of one observation, as a function of many: :math:`a \sim \pi(\cdot | s)` and :math:`\log \pi(a | s)`.

    One graph computes all outputs, so the network is called once. Noise is an input of the graph: :meth:`prepare` draws
    that of many calls at once. Small networks are better served by :meth:`quickly`.

    Args:
        outputs: the formulas by name.
        column: the name of the observation in them.
        generator: what their noise is drawn from; None is torch's own.
        see: what is done to an observation before the formulas read it, or None.
    """

    def __init__(
        self, outputs: dict[str, Expr], column: str, generator: torch.Generator | None = None, see: See | None = None
    ) -> None:
        self._function, self._column, self._generator, self._see = Function(outputs), column, generator, see
        self._shapes: dict[torch.Size, list[tuple[int, ...]]] = {}
        self._ready: list[list[Tensor]] = []
        self._rows: torch.Size | None = None
        self._steps = 1
        self._names = [self._function.inputs.noises[noise] for noise in self._function.noises]
        self._forward = self._function.module.forward
        self._in_numpy = in_numpy(self._function, column, self._names)
        self._quick: tuple[list[Tensor], Tensor] | None = None

    def prepare(self, steps: int) -> None:
        """Says that so many calls on observations of one shape follow, whose noise may be drawn together."""
        self._steps = steps
        self._ready = []

    def quickly(self, steps: int, observation: Any) -> Callable[[Array], Array] | None:
        """Begins so many steps in numpy: a call from observations ``(N, n)`` to actions; None where torch must act.

        The formulas, the networks' parameters and the noise are the same ones. What the other outputs say of all the
        steps, :meth:`rest` gives afterwards.

        Args:
            steps: how many follow at most.
            observation: one like those that will be seen, on the device.
        """
        see = getattr(self._see, "in_numpy", None)
        if self._in_numpy is None or (self._see is not None and see is None):
            return None
        if not isinstance(observation, Tensor) or observation.dtype is not torch.float32:
            return None
        if observation.dim() != 2 or not self._in_numpy.begin(len(observation)):
            return None
        blocks = self._blocks(observation, steps)
        self._quick = blocks, observation
        act = self._in_numpy.steps([block.cpu().numpy() for block in blocks])
        if see is None:
            return act
        first = see()
        return lambda observation: act(first(observation))

    def rest(self) -> tuple[Tensor, ...]:
        """The outputs other than the action at all the steps taken since :meth:`quickly`: ``(steps * N, ...)``."""
        assert self._in_numpy is not None and self._quick is not None
        return self._in_numpy.rest(*self._quick)

    def __call__(self, observation: Any) -> tuple[Tensor, ...]:
        if self._see is not None:
            observation = self._see(observation)
        bound: dict[str, Any] = {self._column: observation, **self._function.networks()}
        for cell, name in self._function.inputs.cells.items():
            bound[name] = tensor_of(cell)
        if self._names:
            if not self._ready or self._rows != _first(observation).shape:
                self._draw(observation)
            bound.update(zip(self._names, self._ready.pop(), strict=True))
        return self._forward(**bound)

    def _draw(self, observation: Any) -> None:
        blocks = self._blocks(observation, self._steps)
        self._ready = [list(values) for values in zip(*(block.unbind() for block in blocks), strict=True)]
        self._ready.reverse()
        self._rows, self._steps = _first(observation).shape, 1

    def _blocks(self, observation: Any, steps: int) -> list[Tensor]:
        """Of every noise, the values of so many steps."""
        like = _first(observation)
        if like.shape not in self._shapes:
            self._shapes[like.shape] = self._function.noise_shapes({self._column: observation}, self._generator)
        dtype = like.dtype if like.is_floating_point() else torch.get_default_dtype()
        return [
            draw(noise, (steps, *shape), dtype, like.device, self._generator)
            for noise, shape in zip(self._function.noises, self._shapes[like.shape], strict=True)
        ]


def _first(observation: Any) -> Tensor:
    """An observation's tensor; of a dict of them, the first."""
    while not isinstance(observation, Tensor):
        observation = next(iter(observation.values()))
    return observation


def sampler(
    actor: Any, generator: torch.Generator | None = None, encoder: Any = None, see: See | None = None
) -> Sampler:
    r"""From observations ``(N, ...)`` to an action :math:`a \sim \pi(\cdot | s)` and its :math:`\log \pi(a | s)`.

    A distribution whose draw is no formula (a pixyz one of the user's) is sampled and then asked.

    Args:
        actor: the policy.
        generator: what draws come from; None is torch's own.
        encoder: what the policy is handed in place of the observation: its value there, or None.
        see: what is done to an observation first, or None.
    """
    if hasattr(actor, "acting"):
        return _after(_perceived(encoder, see), actor.acting(generator=generator))
    variable, condition = actor.var[0], actor.cond_var[0]
    try:
        policy, column = _policy(actor, encoder)
        action = policy.draw()
        return Acting({"action": action, "log_prob": policy.log_prob(action)}, column, generator, see)
    except ExpressionError:
        pass

    def sample(observation: Tensor) -> tuple[Tensor, Tensor]:
        action = actor.sample({condition: observation})[variable]
        return action, actor.log_prob({variable: action, condition: observation}, exact=True)

    return _after(_perceived(encoder, see), sample)


def chooser(actor: Any, encoder: Any = None, see: See | None = None) -> Callable[[Any], Tensor]:
    """A function from observations ``(N, ...)`` to the actions that the distribution thinks best: mode, else mean."""
    if hasattr(actor, "acting"):
        return _after(_perceived(encoder, see), actor.acting(deterministic=True))
    variable, condition = actor.var[0], actor.cond_var[0]
    for best in ("mode", "mean"):
        try:
            policy, column = _policy(actor, encoder)
            act = Acting({"action": getattr(policy, best)()}, column, None, see)
        except (ExpressionError, AttributeError):
            continue
        return lambda observation: act(observation)[0]

    def choose(observation: Tensor) -> Tensor:
        return actor.sample({condition: observation}, sample_mean=True)[variable]

    return _after(_perceived(encoder, see), choose)


def _policy(actor: Any, encoder: Any) -> tuple[Any, str]:
    """The policy applied to what it sees, and the name of the observation there."""
    if encoder is None:
        return actor(symbols(actor.cond_var[0])), actor.cond_var[0]
    return actor(encoder(symbols(encoder.cond_var[0]))), encoder.cond_var[0]


def _perceived(encoder: Any, see: See | None) -> See | None:
    """From an observation to what a policy is handed that is no formula."""
    if encoder is None:
        return see
    column = encoder.cond_var[0]
    encode = Acting({"encoded": encoder(symbols(column))}, column, None, see)
    return lambda observation: encode(observation)[0]


def _after(first: See | None, then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return then if first is None else lambda observation: then(first(observation))

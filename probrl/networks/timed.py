"""What the networks of generative models share: ``net(x_t, t, condition)`` has the shape of ``x_t``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from probrl.errors import DataError
from probrl.nested import parts
from probrl.networks.time_encoders import SinusoidalTime


class TimedNetwork(nn.Module, ABC):
    r"""A network :math:`f_\theta(x_t, t, c)` of a noisy point, its time and a condition, whose output has the shape of :math:`x_t`.

    A subclass gives :meth:`transform`, which gets time and condition as one vector, the context. Every tensor is
    checked by shape alone, so that the call traces as one graph.

    Args:
        event_shape: the shape of one point; a whole number d stands for ``(d,)``.
        condition: how many numbers per row the condition has, all its tensors together; 0 for none.
        time: encodes t, see :mod:`probrl.networks.time_encoders`; None is ``SinusoidalTime()``.

    Shapes:
        ``x_t`` (B, *event_shape), ``t`` (B,) or () for all rows alike, ``condition`` (B, ...) or a dict of such
        tensors, flattened and joined in the order of their names; (B,) counts as one number per row. The result is
        (B, *event_shape).

    Errors:
        DataError when a size is not positive, or a tensor does not fit what the network was built for.

    Example:
        >>> class Straight(TimedNetwork):
        ...     def __init__(self, size):
        ...         super().__init__(size)
        ...         self.layer = nn.Linear(self.event_size + self.context_size, self.event_size)
        ...     def transform(self, x_t, context):
        ...         return self.layer(torch.cat([x_t, context], 1))
        >>> Straight(2)(torch.zeros(5, 2), torch.rand(5)).shape
        torch.Size([5, 2])
    """

    dimensions: ClassVar[int | None] = None
    """How many axes an event has; None for any number."""

    def __init__(self, event_shape: int | Sequence[int], condition: int = 0, time: nn.Module | None = None):
        super().__init__()
        shape = (event_shape,) if isinstance(event_shape, int) else tuple(event_shape)
        self.event_shape: tuple[int, ...] = sizes("event_shape", *shape)
        if self.dimensions is not None and len(shape) != self.dimensions:
            raise DataError(
                f"{type(self).__name__} takes events of {self.dimensions} axes, channels first; got {shape}"
            )
        if isinstance(condition, bool) or not isinstance(condition, int) or condition < 0:
            raise DataError(f"condition is how many numbers per row the network is told, 0 for none; got {condition!r}")
        self.condition = condition
        self.time = SinusoidalTime() if time is None else time
        if not isinstance(getattr(self.time, "size", None), int):
            raise DataError("a time encoder says how many features it gives: set its attribute 'size'")

    @property
    def event_size(self) -> int:
        """How many numbers one point has."""
        return int(torch.Size(self.event_shape).numel())

    @property
    def context_size(self) -> int:
        """How many numbers :meth:`transform` gets as context: features of the time, then the condition."""
        return int(self.time.size) + self.condition  # type: ignore[arg-type]

    @abstractmethod
    def transform(self, x_t: Tensor, context: Tensor) -> Tensor:
        """``x_t`` (B, *event_shape) and the context (B, context_size) to (B, *event_shape)."""

    def forward(self, x_t: Tensor, t: Tensor, condition: Any = None) -> Tensor:
        """The network's value at each row's point, time and condition."""
        if x_t.dim() == 0 or tuple(x_t.shape[1:]) != self.event_shape:
            raise DataError(
                f"{type(self).__name__} was built for points of shape (B, {', '.join(map(str, self.event_shape))}); "
                f"x_t has shape {tuple(x_t.shape)}"
            )
        dtype = next(self.parameters()).dtype
        rows = x_t.shape[0]
        if t.dim() == 0:
            t = t.expand(rows)
        elif t.dim() != 1 or t.shape[0] != rows:
            raise DataError(f"t is one time per row, of shape ({rows},); got {tuple(t.shape)}")
        context = self.time(t.to(dtype))
        if self.condition or condition is not None:
            context = torch.cat([context, joined(condition, rows, self.condition, dtype)], -1)
        return self.transform(x_t.to(dtype), context)


def joined(condition: Any, rows: int, size: int, dtype: torch.dtype) -> Tensor:
    """A condition as one vector per row: its tensors flattened, joined in the order of their names.

    Example:
        >>> joined({"b": torch.ones(2, 1), "a": torch.zeros(2)}, 2, 2, torch.float32)
        tensor([[0., 1.],
                [0., 1.]])
    """
    if condition is None:
        raise DataError(f"this network takes a condition of {size} numbers per row, and got none")
    found = dict(parts(condition, "condition"))
    named = [(name, found[name]) for name in sorted(found)]
    vectors = []
    for name, value in named:
        if value.dim() == 0 or value.shape[0] != rows:
            raise DataError(f"{name} has shape {tuple(value.shape)}; x_t has {rows} rows, one per point")
        vectors.append(value.flatten(1).to(dtype) if value.dim() > 1 else value.unsqueeze(-1).to(dtype))
    vector = vectors[0] if len(vectors) == 1 else torch.cat(vectors, -1)
    if vector.shape[-1] != size:
        raise DataError(
            f"this network was built with condition={size} and got {vector.shape[-1]} numbers per row: "
            f"{', '.join(f'{name} {tuple(value.shape)}' for name, value in named)}"
        )
    return vector


def sizes(name: str, *values: int) -> tuple[int, ...]:
    """The values, refused by name unless each is a positive whole number."""
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in values):
        raise DataError(f"{name} takes positive whole numbers; got {values}")
    return values


def share(name: str, value: float) -> float:
    """A probability below 1, refused by name."""
    if not 0 <= value < 1:
        raise DataError(f"{name} is a share in [0, 1); got {value!r}")
    return value


def zeroed(layer: Any) -> Any:
    """A layer that starts at zero, so that what it closes starts as nothing or as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer

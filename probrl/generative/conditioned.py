"""A user's network ``net(x_t, t, condition)`` as a formula calls it: conditions one by one, events flat or shaped."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from probrl.errors import DataError, ExpressionError
from probrl.networks.timed import TimedNetwork

Shapes = dict[str, tuple[int, ...]]


class Conditioned(nn.Module):
    """Calls a network with one condition: None, the only one, or a dict of them by name.

    Args:
        network: ``net(x_t, t, condition)`` with t of shape ``(rows,)``.
        conditions: the names of the conditions.
        shapes: the event shape of every variable; of several, the network gets and returns dicts.

    Shapes:
        x_t is ``(rows, *event)``, or ``(rows, D)`` with the event flat, or with several variables joined. What is no whole
        number comes in the type of the weights, whatever type the columns have.

    Errors:
        ExpressionError for a network that is not called so; DataError for conditions of different lengths, and for an output
        that is not shaped like x_t.
    """

    def __init__(self, network: nn.Module, conditions: tuple[str, ...], shapes: Shapes):
        super().__init__()
        refuse_other_arguments(network)
        self.network, self.conditions, self.shapes = network, conditions, dict(shapes)

    def forward(self, x: Tensor, t: Tensor, *others: Any) -> Any:
        """The prediction at x_t; a last argument beyond the conditions says in which rows they are kept."""
        x, t, *given = typed(self.network, x, t, *others)
        conditions = tuple(given[: len(self.conditions)])
        self._refuse_other_lengths(x, conditions)
        if len(given) > len(self.conditions):
            conditions = tuple(tree_map(lambda c: kept(c, given[-1]), c) for c in conditions)
        condition: Any = None
        if len(conditions) == 1:
            condition = conditions[0]
        elif conditions:
            condition = dict(zip(self.conditions, conditions, strict=True))
        return self.answer(x, t, condition)

    def answer(self, x: Tensor, t: Tensor, condition: Any) -> Any:
        """What the network says at one condition, in the shape of x_t."""
        if len(self.shapes) > 1:
            out = self.network(split(x, self.shapes), t, condition)
            return joined({name: out[name] for name in self.shapes}, self.shapes)
        shape = next(iter(self.shapes.values()), ())
        flat = len(shape) > 1 and x.dim() == 2
        return self.alike(x, self.network(x.unflatten(1, shape) if flat else x, t, condition), flat)

    def alike(self, x: Tensor, out: Any, flat: bool) -> Tensor:
        """A prediction in the shape of x_t, or an error."""
        out = out.flatten(1) if flat and isinstance(out, Tensor) else out
        if not isinstance(out, Tensor) or out.shape != x.shape:
            got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise DataError(
                f"the network {type(self.network).__name__} gave {got} for x_t of shape {tuple(x.shape)}: a prediction has "
                f"the shape of x_t, (rows, *event) with the event_shape {self._said(x, flat)}"
            )
        return out

    def _said(self, x: Tensor, flat: bool) -> tuple[int, ...]:
        return next(iter(self.shapes.values())) if flat else tuple(x.shape[1:])

    def _refuse_other_lengths(self, x: Tensor, conditions: tuple[Any, ...]) -> None:
        for name, condition in zip(self.conditions, conditions, strict=True):
            for part in condition.values() if isinstance(condition, Mapping) else (condition,):
                if isinstance(part, Tensor) and part.shape[:1] != x.shape[:1]:
                    raise DataError(f"the condition '{name}' has {part.shape[0]} rows, and there are {x.shape[0]}")


class Paired(Conditioned):
    """Two predictions at a state: two networks of one kind of arguments, or one network that returns both.

    Args:
        network, conditions, shapes: of :class:`Conditioned`, with one variable.
        second: the network of the second prediction; None when the first returns a pair.
    """

    def __init__(
        self, network: nn.Module, conditions: tuple[str, ...], shapes: Shapes, second: nn.Module | None = None
    ):
        super().__init__(network, conditions, shapes)
        if second is not None:
            refuse_other_arguments(second)
        self.second = second

    def answer(self, x: Tensor, t: Tensor, condition: Any) -> Any:
        shape = next(iter(self.shapes.values()))
        flat = len(shape) > 1 and x.dim() == 2
        point = x.unflatten(1, shape) if flat else x
        out = self.network(point, t, condition)
        if self.second is not None:
            out = (out, self.second(point, t, condition))
        if not isinstance(out, tuple) or len(out) != 2:
            raise DataError(
                f"the network {type(self.network).__name__} gave {type(out).__name__} where two predictions are needed, a tuple "
                "(displacement, noise) or (velocity, score); or give the second network as score="
            )
        return tuple(self.alike(x, part, flat) for part in out)


class Spanned(Conditioned):
    """A network of two times: the second stands in its condition as "r", beside the model's own conditions."""

    def forward(self, x: Tensor, t: Any, r: Any = None, *given: Any) -> Any:
        """What the network says at x_t between two times."""
        return super().forward(x, (t, r), *given)  # type: ignore[arg-type]

    def answer(self, x: Tensor, t: Any, condition: Any) -> Any:
        last, first = t
        if condition is None:
            condition = {}
        elif not isinstance(condition, Mapping):
            condition = {self.conditions[0]: condition}
        return super().answer(x, last, {**condition, "r": first})


def refuse_other_arguments(network: nn.Module) -> None:
    """Refuses a network that cannot be called as ``net(x_t, t, condition)``.

    Errors:
        ExpressionError naming the network and what its forward takes.
    """
    try:
        takes = signature(network.forward)
    except (TypeError, ValueError):
        return  # compiled code that does not say
    try:
        takes.bind("x_t", "t", "condition")
    except TypeError:
        raise ExpressionError(
            f"the network {type(network).__name__} takes {takes}: a generative model calls its network as "
            "net(x_t, t, condition), where condition is None without one. Write a torch module whose forward takes these "
            "three, or take one of pr.networks, such as pr.networks.TimeMLP"
        ) from None


def typed(network: nn.Module, *given: Any) -> tuple[Any, ...]:
    """Tensors of real numbers in the type of a network's weights; columns of data are often of another one."""
    if isinstance(network, TimedNetwork):
        return given  # it sees to that itself, and to look for its weights twice takes a twentieth of a small call
    weight = next(network.parameters(), None)
    if weight is None or not weight.is_floating_point():
        return given
    dtype = weight.dtype

    def cast(x: Any) -> Any:
        return x.to(dtype) if isinstance(x, Tensor) and x.dtype != dtype and x.is_floating_point() else x

    return tuple(cast(x) if isinstance(x, Tensor) else tree_map(cast, x) for x in given)


def kept(condition: Any, keep: Tensor) -> Any:
    """A condition in the rows that keep it, zeros in the others."""
    if not isinstance(condition, Tensor):
        return condition
    shaped = keep.reshape(-1, *(1,) * (condition.dim() - 1))
    return torch.where(shaped != 0, condition, torch.zeros((), dtype=condition.dtype, device=condition.device))


def split(x: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """The variables of a joint vector ``(rows, D)``, each in its shape."""
    parts = torch.split(x, [size(shape) for shape in shapes.values()], dim=1)
    return {name: part.reshape(len(x), *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def joined(values: Mapping[str, Tensor], shapes: Shapes) -> Tensor:
    """Variables ``(rows, *shape)`` as one vector.

    Errors:
        DataError naming a variable of another shape.
    """
    for name, shape in shapes.items():
        if tuple(values[name].shape[1:]) != shape:
            raise DataError(f"'{name}' has rows of shape {tuple(values[name].shape[1:])}, and is declared with {shape}")
    return torch.cat([values[name].flatten(1) for name in shapes], dim=1)


def size(shape: tuple[int, ...]) -> int:
    """How many numbers a shape holds."""
    return int(torch.Size(shape).numel())

"""One network of several variables: a dict of points in, a dict of the same shapes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from probrl.errors import DataError
from probrl.networks.timed import sizes


class Joint(nn.Module):
    r"""Several variables, flattened and concatenated for a network on vectors, and split again after it.

    .. math:: (f^{(1)}, \dots, f^{(k)}) = f_\theta\big((x_t^{(1)}, \dots, x_t^{(k)}), t, c\big)

    Args:
        shapes: the event shape of every variable by name, a whole number d for ``(d,)``; their order is that of the joint vector.
        network: of vectors, with :attr:`size` numbers, such as ``TimeMLP(joint_size)``; or a function that makes it of that
            number.

    Shapes:
        ``x_t`` a dict of (B, *shape), ``t`` (B,), ``condition`` whatever the network takes; gives a dict like ``x_t``.

    Errors:
        DataError when a variable is missing or has another shape.

    Example:
        >>> from probrl.networks import TimeMLP
        >>> network = Joint({"position": 2, "image": (1, 4, 4)}, lambda size: TimeMLP(size, hidden=(16,)))
        >>> out = network({"position": torch.zeros(3, 2), "image": torch.zeros(3, 1, 4, 4)}, torch.rand(3))
        >>> {name: tuple(value.shape) for name, value in out.items()}
        {'position': (3, 2), 'image': (3, 1, 4, 4)}
    """

    def __init__(self, shapes: Mapping[str, int | Sequence[int]], network: Any):
        super().__init__()
        if not shapes:
            raise DataError("a joint network needs the shape of a variable or more, as in Joint({'a': 2, 'b': 3}, ...)")
        self.shapes: dict[str, tuple[int, ...]] = {
            name: sizes(f"the shape of {name!r}", *((s,) if isinstance(s, int) else tuple(s)))
            for name, s in shapes.items()
        }
        self.network: nn.Module = network if isinstance(network, nn.Module) else network(self.size)

    @property
    def size(self) -> int:
        """How many numbers all variables have together."""
        return sum(self._sizes())

    def forward(self, x_t: Mapping[str, Tensor], t: Tensor, condition: Any = None) -> dict[str, Tensor]:
        """The network's value for every variable."""
        flat = []
        for name, shape in self.shapes.items():
            if name not in x_t:
                raise DataError(f"x_t lacks the variable {name!r}; it has {', '.join(map(repr, x_t)) or 'none'}")
            x = x_t[name]
            if x.dim() == 0 or tuple(x.shape[1:]) != shape:
                raise DataError(f"x_t[{name!r}] has shape {tuple(x.shape)}; the network was built for (B, {shape})")
            flat.append(x.flatten(1) if x.dim() > 1 else x.unsqueeze(-1))
        out = self.network(torch.cat(flat, -1), t, condition).split(self._sizes(), -1)
        return {name: v.view_as(x_t[name]) for name, v in zip(self.shapes, out, strict=True)}

    def _sizes(self) -> list[int]:
        return [int(torch.Size(shape).numel()) for shape in self.shapes.values()]

"""From what is seen to one vector: whole numbers one-hot, arrays flat, the entries of a dict one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from probrl.errors import DataError


class Flat(nn.Module):
    """An array of any shape as a vector: ``(..., *shape)`` to ``(..., n)``.

    Example:
        >>> Flat((2, 3))(torch.zeros(5, 2, 3)).shape
        torch.Size([5, 6])
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        x = x if x.is_floating_point() else x.to(torch.get_default_dtype())
        return x.reshape(*x.shape[: x.dim() - len(self.shape)], -1)


class OneHot(nn.Module):
    """Whole numbers as concatenated one-hot vectors; a number that is not a class becomes zeros.

    Args:
        sizes: how many classes each number has.
        start: the number of the first class of each.
        shape: of the numbers: ``()`` for a single one.

    Shapes:
        ``(..., *shape)`` to ``(..., sum(sizes))``.

    Example:
        >>> OneHot([3, 2], shape=(2,))(torch.tensor([[1, 0]]))
        tensor([[0., 1., 0., 1., 0.]])
    """

    classes: Tensor
    numbers: Tensor

    def __init__(self, sizes: Sequence[int], start: Sequence[int] | None = None, shape: Sequence[int] = ()) -> None:
        super().__init__()
        starts = start or (0,) * len(sizes)
        self.shape, self.single = tuple(shape), not shape
        # for every entry of the result: which number it is about, and which class it stands for
        self.register_buffer("numbers", torch.tensor([j for j, k in enumerate(sizes) for _ in range(k)]), False)
        classes = [first + c for first, k in zip(starts, sizes, strict=True) for c in range(k)]
        self.register_buffer("classes", torch.tensor(classes), False)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.unsqueeze(-1) if self.single else x.reshape(*x.shape[: x.dim() - len(self.shape)], -1)
        return (flat.index_select(-1, self.numbers) == self.classes).to(torch.get_default_dtype())


class Joined(nn.Module):
    """The entries of a dict, each mapped to a vector by a network of its own, concatenated.

    Args:
        entries: the networks by name.

    Shapes:
        A dict of tensors ``(..., *shape)`` to ``(..., n)``.

    Errors:
        DataError when an entry is missing.

    Example:
        >>> network = Joined({"goal": OneHot([4]), "camera": Flat((2, 2))})
        >>> network({"goal": torch.tensor([0, 3]), "camera": torch.zeros(2, 2, 2)}).shape
        torch.Size([2, 8])
    """

    def __init__(self, entries: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.names = tuple(entries)
        self.entries = nn.ModuleList(entries.values())  # a name may hold a dot, which a dict of modules refuses

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        if not isinstance(x, Mapping) or any(name not in x for name in self.names):
            got = ", ".join(map(str, x)) if isinstance(x, Mapping) else type(x).__name__
            raise DataError(f"this network sees a dict with {', '.join(self.names)} and got {got}")
        return torch.cat([network(x[name]) for name, network in zip(self.names, self.entries, strict=True)], dim=-1)


class Chain(nn.Sequential):
    """Networks applied one after the other; the first may take anything: an array, whole numbers, a dict.

    Example:
        >>> Chain(Flat((2, 3)), nn.Linear(6, 4))(torch.zeros(5, 2, 3)).shape
        torch.Size([5, 4])
    """

    @property
    def out_features(self) -> int:
        """How many numbers per row the last linear layer puts out."""
        return int([m for m in self.modules() if isinstance(m, nn.Linear)][-1].out_features)

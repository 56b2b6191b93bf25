"""What a generative model learns from: a toy, a file, tensors or a torch Dataset, as columns that fit the model."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from probrl.data.columns import UNNAMED, columns
from probrl.data.toys import Toy, names, toy
from probrl.errors import DataError
from probrl.nested import each, parts
from probrl.training.settings import nearest

POINTS = 50_000  # that are drawn once of a toy, which has no end
MOST = 10_000  # rows that are held out at most
FEWEST = 6  # rows that a comparison needs


@dataclass(frozen=True)
class Division:
    """The rows to learn from and those that are held out; both are all rows where there are too few to divide.

    Attributes:
        train: columns to learn from.
        held: columns to compare with.
        apart: whether they are other rows.
    """

    train: dict[str, Any]
    held: dict[str, Any]
    apart: bool


class DataSet:
    """A data set by whatever name it came, its columns loaded when they are first asked for.

    Args:
        source: the name of a built-in toy, a :class:`Toy`, a path, or what :func:`probrl.data.columns.columns` takes.
        variables: of the model: what a single column is called.
        conditions: of the model: what the condition of a toy is called.
        seed: of the points of a toy, and of which rows are held out.

    Errors:
        DataError for a name that is neither a toy nor a file, with the nearest toy.
    """

    def __init__(self, source: Any, variables: Sequence[str], conditions: Sequence[str], seed: int):
        self.variables, self.conditions, self.seed = tuple(variables), tuple(conditions), seed
        if isinstance(source, str) and not Path(source).suffix:
            if source not in names():
                raise DataError(
                    f"no built-in data set or file (those have an ending) is called {source!r}: {nearest(source, names())}"
                )
            source = toy(source)
        self.source = source

    @property
    def said(self) -> str:
        """What it is called."""
        if isinstance(self.source, Toy):
            module = type(self.source).__module__
            return module.rpartition(".")[2] if module.startswith("probrl.") else type(self.source).__name__
        return str(self.source) if isinstance(self.source, str | Path) else "own data"

    @property
    def plain(self) -> dict[str, Any] | None:
        """What it is made of again, or None where it has to be handed over."""
        if isinstance(self.source, Toy) and type(self.source).__module__.startswith("probrl."):
            return {"toy": self.said, "fields": dataclasses.asdict(self.source)}  # type: ignore[call-overload]
        return {"file": str(self.source)} if isinstance(self.source, str | Path) else None

    @cached_property
    def table(self) -> dict[str, Any]:
        """All rows of every column."""
        single = [*self.variables[:1], *self.conditions[:1]]
        if isinstance(self.source, Toy):
            return dict(zip(_both(single), _points(self.source, self.seed).values(), strict=True))
        found = columns(self.source, _names_of(self.source, single, self.variables))
        if len(found) == 1 and len(self.variables) == 1 and self.variables[0] not in found:
            return {self.variables[0]: next(iter(found.values()))}
        return found

    @cached_property
    def digest(self) -> str:
        """A hash of all numbers."""
        found = hashlib.sha256()
        for path, column in parts(self.table):
            found.update(f"{path}{tuple(column.shape)}{column.dtype}".encode())
            found.update(column.contiguous().cpu().flatten().view(torch.uint8).numpy().tobytes())
        return found.hexdigest()[:12]

    def divided(self, share: float) -> Division:
        """The rows with a share of them held out, by chance from the seed."""
        rows = len(next(column for _, column in parts(self.table)))
        count = min(round(share * rows), MOST)
        if count < FEWEST or rows - count < 1:
            return Division(self.table, self.table, False)
        order = torch.randperm(rows, generator=Generator().manual_seed(self.seed))
        held, rest = order[:count].sort().values, order[count:].sort().values
        return Division(_rows(self.table, rest), _rows(self.table, held), True)


def _rows(table: dict[str, Any], index: Tensor) -> dict[str, Any]:
    return {name: each(lambda x: x[index.to(x.device)], column) for name, column in table.items()}


def _both(single: list[str]) -> list[str]:
    """What the points of a toy and their condition are called."""
    return [*single, *(name for name in UNNAMED if name not in single)][:2] if len(single) < 2 else single


def _points(source: Toy, seed: int) -> dict[str, Tensor]:
    everything = getattr(source, "everything", None)
    if everything is not None:
        found: dict[str, Tensor] = everything()
        return found
    return source.columns(POINTS, Generator().manual_seed(seed))


def _names_of(source: Any, single: list[str], variables: tuple[str, ...]) -> list[str] | None:
    """What arrays without names are called; None where they have names."""
    unnamed = isinstance(source, Tensor | tuple | list) or Path(str(source)).suffix.lower() == ".npy"
    unnamed = unnamed or not (hasattr(source, "keys") or isinstance(source, str | Path))
    return [*variables, *single[1:]] if unnamed else None

"""A data set, row after row in shuffled order, for as long as somebody learns from it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator

from probrl.nested import each, parts


class Batches:
    """Rows without end: every row once, in an order that chance gives, then all again in another order.

    Args:
        table: the columns, with one row per point, on the device where they are needed.
        seed: of the orders.
    """

    def __init__(self, table: dict[str, Any], seed: int):
        self.table = table
        _, column = next(parts(table))
        self.rows, self.device = len(column), column.device
        self._generator = Generator().manual_seed(seed)
        self._shuffle()

    def _shuffle(self) -> None:
        self._before, self._position = self._generator.get_state(), 0
        self._order = torch.randperm(self.rows, generator=self._generator)

    def take(self, count: int) -> dict[str, Any]:
        """The next rows, so many."""
        taken = []
        while count:
            if self._position == self.rows:
                self._shuffle()
            part = self._order[self._position : self._position + count]
            self._position += len(part)
            count -= len(part)
            taken.append(part)
        index = torch.cat(taken).to(self.device)
        return {name: each(lambda x: x.index_select(0, index), column) for name, column in self.table.items()}

    def state(self) -> dict[str, Any]:
        """The generator before the order that is gone through, and how far that is."""
        return {"generator": self._before, "position": self._position}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on where another one stopped, over the same rows."""
        self._generator.set_state(state["generator"])
        self._shuffle()
        self._position = int(state["position"])

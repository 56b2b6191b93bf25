"""Networks of tokens: as a discrete flow calls them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from probrl.errors import DataError
from probrl.generative.conditioned import kept, refuse_other_arguments, typed


class Tokens(nn.Module):
    """Calls a user's network of tokens: whole numbers in their shape go in, logits come out with the tokens as one row.

    Args:
        network: ``net(x_t, t, condition)`` with x_t of whole numbers ``(rows, *event)``; gives ``(rows, *event, classes)``.
        conditions: their names.
        shape: of an event.
        classes: how many; the token ``classes`` is the mask.
    """

    def __init__(self, network: nn.Module, conditions: tuple[str, ...], shape: tuple[int, ...], classes: int):
        super().__init__()
        refuse_other_arguments(network)
        self.network, self.conditions, self.shape, self.classes = network, conditions, shape, classes

    def forward(self, x: Tensor, t: Tensor, *others: Any) -> Tensor:
        """Logits ``(rows, tokens, classes)``; a last argument beyond the conditions says in which rows they are kept."""
        t, *given = typed(self.network, t, *others)
        each = tuple(given[: len(self.conditions)])
        if len(given) > len(each):
            each = tuple(tree_map(lambda c: kept(c, given[-1]), c) for c in each)
        self._refuse_other_tokens(x)
        condition = dict(zip(self.conditions, each, strict=True)) if len(each) > 1 else each[0] if each else None
        out = self.network(x.round().long().reshape(len(x), *self.shape), t, condition)
        if tuple(out.shape) != (len(x), *self.shape, self.classes):
            raise DataError(
                f"the network {type(self.network).__name__} gave {tuple(out.shape)} where logits of shape "
                f"{(len(x), *self.shape, self.classes)} are needed"
            )
        return out.flatten(1, -2)

    def _refuse_other_tokens(self, x: Tensor) -> None:
        if torch.compiler.is_compiling() or not torch.is_grad_enabled() or not x.numel():
            return  # only data that are trained on are looked at
        low, high = (float(v) for v in x.detach().aminmax())
        if low < 0 or high > self.classes or bool((x.detach().round() - x.detach()).abs().max() > 1e-3):
            raise DataError(
                f"tokens are whole numbers from 0 to {self.classes - 1}, the classes that the model is declared with (and "
                f"{self.classes} where they are masked); the data go from {low:g} to {high:g}"
            )


class Guess(nn.Module):
    """A small network of tokens, for the laws."""

    def __init__(self, tokens: int, classes: int, condition: int):
        super().__init__()
        self.shape = (tokens, classes)
        self.table, self.out = nn.Embedding(classes + 1, 8), nn.Linear(8 * tokens + 1 + condition, tokens * classes)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Logits from all tokens, the time and the condition."""
        rest = [t[:, None], *([] if condition is None else [condition])]
        return self.out(torch.cat([self.table(x).flatten(1), *rest], 1)).reshape(-1, *self.shape)

"""What an algorithm declares: its distributions, its loss and its program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.traversal import walk
from probrl.graph.cells import tensor_of
from probrl.program.checks import differentiable


@dataclass(frozen=True)
class Declaration:
    """The parts of an algorithm that an agent is made of.

    Attributes:
        actor: the policy.
        critic: the value that it is judged by, or None.
        loss: what is minimised.
        program: every update, in the order in which it runs.
        encoder: a distribution "e | s" whose value actor and critic are handed in place of the observation, or None.
        learned: the ``pr.parameter`` that a loss of the user's own brings along, such as a temperature: they move with it.
    """

    actor: Any
    critic: Any
    loss: Any
    program: Any = None
    encoder: Any = None
    learned: tuple[Any, ...] = ()

    def with_loss(self, loss: Any) -> Declaration:
        """The same parts with another loss, and the scalars that it learns besides."""
        return replace(self, loss=loss, learned=tuple(dict.fromkeys(self._scalars(loss))))

    def _scalars(self, loss: Any) -> Iterator[n.State]:
        known = {id(p) for part in self.moving if isinstance(part, nn.Module) for p in part.parameters()}
        for node in walk(loss, through=differentiable) if isinstance(loss, Expr) else ():
            if isinstance(node, n.State) and node.cell.kind == "parameter" and id(tensor_of(node.cell)) not in known:
                yield node

    @property
    def moving(self) -> list[Any]:
        """What the loss moves: the parts that there are, and what it learns besides."""
        parts = (self.encoder, self.actor, self.critic)
        return [*(part for part in parts if part is not None), *self.learned]

    def with_program(self, program: Any) -> Declaration:
        """The same parts with their program."""
        return replace(self, program=program)

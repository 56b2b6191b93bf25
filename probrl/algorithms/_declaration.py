"""What an algorithm declares: its distributions, its loss and its program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Declaration:
    """The parts of an algorithm that an agent is made of.

    Attributes:
        actor: the policy.
        critic: the value that it is judged by, or None.
        loss: what is minimised.
        program: every update, in the order in which it runs.
        encoder: a distribution "e | s" whose value actor and critic are handed in place of the observation, or None.
    """

    actor: Any
    critic: Any
    loss: Any
    program: Any = None
    encoder: Any = None

    def with_loss(self, loss: Any) -> Declaration:
        """The same parts with another loss."""
        return replace(self, loss=loss)

    def with_program(self, program: Any) -> Declaration:
        """The same parts with their program."""
        return replace(self, program=program)

"""What a formula refers to by identity: scalars that live between updates, and networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Cell:
    """A scalar with a life of its own; the graph fills ``storage`` with the tensor that holds it.

    Args:
        name: its letter.
        initial: the value that it starts from.
        kind: "parameter" (learnable), "state" (moves only by Assign), "progress" or "iteration".
        positive: whether the logarithm is stored, so that the value stays above zero.
        bounds: the interval that an update projects it onto, or None.
    """

    name: str
    initial: float = 0.0
    kind: str = "parameter"
    positive: bool = False
    bounds: tuple[float, float] | None = None
    storage: Any = None

    def __repr__(self) -> str:
        return f"Cell({self.name!r}, {self.kind})"


@dataclass(eq=False)
class Network:
    """A module as a formula sees it: a name to print and an identity; what it computes is the graph's business.

    Args:
        name: how it prints.
        module: the torch module (or function) that it stands for.
        owner: the distribution that declares it, or None; roles belong to the owner.
        pure: whether it is a plain function without parameters.
        copies: the tensors of each moved role (target, ema, old, reference), by name; the graph makes and moves them.
    """

    name: str
    module: Any
    owner: Any = None
    pure: bool = False
    copies: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Network({self.name!r})"


ROLES = ("live", "behavior", "old", "target", "ema", "reference", "frozen")

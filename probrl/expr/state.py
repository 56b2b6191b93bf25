"""What a formula refers to by identity: scalars that live between updates, and networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from probrl.errors import ExpressionError


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

    def tensors(self, role: str = "live") -> dict[str, Any]:
        """The parameters and buffers in a role, by their names in the module; a tied one under each of its names.

        Copies are made at first use, equal to the live ones, and stay the same tensors (on the device and in the type
        of the live ones): whoever moves a role writes into them. They are no module's.

        Errors:
            ExpressionError: when a layer to copy has seen no data and has no shape yet.
        """
        live = {
            **dict(self.module.named_parameters(remove_duplicate=False)),
            **dict(self.module.named_buffers(remove_duplicate=False)),
        }
        if role == "live":
            return live
        if role == "frozen":
            return {name: tensor.detach() for name, tensor in live.items()}
        copies = self.copies.get(role)
        if copies is None or set(copies) != set(live):
            if any(type(t).__name__.startswith("Uninitialized") for t in live.values()):
                raise ExpressionError(
                    f"{self.name}.{role} copies a network with a lazy layer that has no shape yet: call the network once before"
                )
            made: dict[int, Any] = {}
            copies = self.copies[role] = {k: made.setdefault(id(t), t.detach().clone()) for k, t in live.items()}
        for name, tensor in live.items():
            if copies[name].device != tensor.device or copies[name].dtype != tensor.dtype:
                copies[name] = copies[name].to(tensor.device, tensor.dtype)
        return copies


COPIED = ("old", "target", "ema", "reference")  # the roles that have tensors of their own
ROLES = ("live", "behavior", "old", "target", "ema", "reference", "frozen")

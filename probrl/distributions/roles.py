"""Whose parameters are meant: the roles of a distribution, which share its declaration and register nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from probrl.errors import DataError, ExpressionError
from probrl.expr.state import COPIED, Network


class Roles:
    """A distribution in its roles: views that hold the owner in a tuple, so that no module sees it registered."""

    notation: str
    handle: Network

    role = "live"

    @property
    def owner(self) -> Any:
        """The distribution that owns the parameters: itself, unless it is a role of another."""
        return self.__dict__["_owner"][0] if "_owner" in self.__dict__ else self

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks whose copies belong to the role."""
        return (self.handle,)

    def in_role(self, role: str) -> Any:
        """The same declaration with the parameters of a role; it registers nothing."""
        owner = self.owner
        if role == "live":
            return owner
        views = owner.__dict__.setdefault("_views", {})
        if role not in views:
            view = object.__new__(type(owner))
            nn.Module.__init__(view)
            kept = {k: v for k, v in owner.__dict__.items() if k not in view.__dict__ and k not in ("_views",)}
            view.__dict__.update(kept, role=role, _owner=(owner,), _graph=None, _dist=None)
            view.__dict__["_name"] = f"{owner._name}^{{{role}}}"
            views[role] = view
        return views[role]

    @property
    def behavior(self) -> Any:
        """What was said when the action was taken: columns of the batch."""
        return self.in_role("behavior")

    @property
    def old(self) -> Any:
        """A copy of the parameters that only Snapshot moves."""
        return self.in_role("old")

    @property
    def target(self) -> Any:
        """A copy of the parameters that Polyak or Snapshot moves."""
        return self.in_role("target")

    @property
    def ema(self) -> Any:
        """A copy of the parameters that Polyak moves."""
        return self.in_role("ema")

    @property
    def reference(self) -> Any:
        """A copy of the parameters as they were at the start."""
        return self.in_role("reference")

    @property
    def frozen(self) -> Any:
        """The live parameters, held still; gradients still pass to the inputs."""
        return self.in_role("frozen")

    def role_tensors(self, role: str) -> dict[str, Tensor]:
        """The parameters and buffers of the network in a role, by their names in the network.

        Copies are made on demand, equal to the live values, and stay the same tensors: whoever moves a role writes
        into them.
        """
        owner = self.owner
        module = owner.handle.module
        if not isinstance(module, nn.Module):
            return {}
        if role not in ("live", "frozen", *COPIED):
            raise ExpressionError(
                f"{self.notation}.{role}: this role has no parameters; those with copies are {', '.join(COPIED)}"
            )
        found: dict[str, Tensor] = owner.handle.tensors(role)
        return found

    def role_state_dict(self) -> dict[str, Tensor]:
        """The copies that roles own: what a checkpoint stores beside ``state_dict()``. Keys are ``role.network.name``."""
        return {
            f"{role}.{i}.{name}": tensor
            for i, net in enumerate(self.owner.networks)
            for role, tensors in net.copies.items()
            for name, tensor in tensors.items()
        }

    def load_role_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Puts stored copies back.

        Errors:
            DataError: when an entry belongs to no network of this distribution.
        """
        networks = self.owner.networks
        for key, value in state.items():
            role, _, rest = key.partition(".")
            number, _, name = rest.partition(".")
            if role not in COPIED or not number.isdigit() or int(number) >= len(networks):
                raise DataError(f"{self.notation} has no copy {key!r}; these come from role_state_dict()")
            networks[int(number)].tensors(role)[name].copy_(value)

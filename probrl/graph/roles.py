"""Networks in their roles: the same module with other tensors, registering nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from probrl.errors import ExpressionError
from probrl.expr.state import COPIED, Network


class InRole:
    """Calls a module with the tensors of a role; hooks on the module see the call.

    Args:
        net: the network.
        values: gives the tensors, by name.
    """

    def __init__(self, net: Network, values: Callable[[], dict[str, Tensor]]):
        self.module, self.label, self.values = net.module, net.name, values
        self.slots = []
        for prefix, sub in net.module.named_modules(remove_duplicate=False):
            for store in (sub._parameters, sub._buffers):
                for name, tensor in store.items():
                    if tensor is not None:
                        self.slots.append((store, name, f"{prefix}.{name}" if prefix else name))

    def __call__(self, *args: Any) -> Any:
        values = self.values()
        kept = [store[name] for store, name, _ in self.slots]
        for store, name, path in self.slots:
            store[name] = values[path]
        try:
            return self.module(*args)
        finally:
            for (store, name, _), tensor in zip(self.slots, kept, strict=True):
                store[name] = tensor


def callable_of(net: Network, role: str) -> Callable[..., Any]:
    """What an eager graph calls for a network in a role."""
    if role == "live" or net.pure or not isinstance(net.module, nn.Module):
        return net.module
    if role == "frozen":
        return InRole(net, lambda: net.tensors("frozen"))
    if role in COPIED:
        net.tensors(role)
        return InRole(net, lambda: net.copies[role])
    raise ExpressionError(
        f"{net.name}.{role} is known by the log-probabilities that were recorded when it acted, and has no parameters: its "
        f"network cannot be called, as this formula does (the density of a diffusion or flow model calls it at every step). "
        f"Take a copy, as in {net.name}.old with pr.Snapshot({net.name}, 'old'), or a policy whose density is a formula"
    )


@torch.no_grad()
def polyak(net: Network, role: str, tau: Any) -> None:
    """Moves the copy towards the live tensors: copy + tau (live - copy); buffers of integers are taken over."""
    copies, live = net.tensors(role), net.tensors()
    pairs = {id(copies[k]): (copies[k], live[k].detach()) for k in live}.values()
    moving = [(c, v) for c, v in pairs if c.is_floating_point()]
    if moving:
        old, new = map(list, zip(*moving, strict=True))
        torch._foreach_lerp_(old, new, tau)
    for copy, value in pairs:
        if not copy.is_floating_point():
            copy.copy_(value)


@torch.no_grad()
def snapshot(net: Network, role: str) -> None:
    """Makes the copy equal to the live tensors."""
    copies, live = net.tensors(role), net.tensors()
    torch._foreach_copy_([copies[k] for k in live], [live[k].detach() for k in live])

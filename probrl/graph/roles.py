"""Networks in their roles: the same module with other tensors, registering nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from probrl.errors import ExpressionError
from probrl.expr.state import Network

COPIED = ("old", "target", "ema", "reference")


def tensors(module: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of a module by name; a tied tensor stands under each of its names."""
    found: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    found.update(module.named_buffers(remove_duplicate=False))
    return found


def role_tensors(net: Network, role: str) -> dict[str, Tensor]:
    """The tensors of a copied role, copied from the live ones at first use; kept on the device of the live ones."""
    live = tensors(net.module)
    copies = net.copies.get(role)
    if copies is None or set(copies) != set(live):
        if any(is_lazy(t) for t in live.values()):
            raise ExpressionError(
                f"{net.name}.{role} copies a network with a lazy layer that has no shape yet: call the network once before"
            )
        made: dict[int, Tensor] = {}
        copies = {name: made.setdefault(id(t), t.detach().clone()) for name, t in live.items()}
        net.copies[role] = copies
    for name, tensor in live.items():
        if copies[name].device != tensor.device or copies[name].dtype != tensor.dtype:
            copies[name] = copies[name].to(tensor.device, tensor.dtype)
    return copies


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
        return InRole(net, lambda: {k: t.detach() for k, t in tensors(net.module).items()})
    if role in COPIED:
        role_tensors(net, role)
        return InRole(net, lambda: net.copies[role])
    raise ExpressionError(f"{net.name} has no role '{role}' that can be called")


@torch.no_grad()
def polyak(net: Network, role: str, tau: Any) -> None:
    """Moves the copy towards the live tensors: copy + tau (live - copy); buffers of integers are taken over."""
    copies, live = role_tensors(net, role), tensors(net.module)
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
    copies, live = role_tensors(net, role), tensors(net.module)
    torch._foreach_copy_([copies[k] for k in live], [live[k].detach() for k in live])

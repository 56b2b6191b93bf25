"""The same update as one function without side decisions, for ``torch.compile(fullgraph=True)`` to take whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from probrl.expr.state import COPIED, Network
from probrl.graph.cells import tensor_of
from probrl.graph.descent import Descent


class TracedDescent:
    """A descent on explicit values of the parameters: ``torch.func`` differentiates, tensors are written at the end."""

    def __init__(self, descent: Descent):
        self.descent = descent
        function = descent.function
        where = {id(p): i for i, p in enumerate(descent.parameters)}
        self.networks = [Functional(net, role, name, where) for (net, role), name in function.inputs.networks.items()]
        self.cells = {
            name: where[id(tensor_of(c))] for c, name in function.inputs.cells.items() if id(tensor_of(c)) in where
        }
        self.forward = function._forward
        self.moved: list[bool] | None = None

    def probe(self, bound: Mapping[str, Any]) -> list[str]:
        """Finds, once, which parameters no loss reaches: those stay as they are.

        Returns:
            The buffers that a network replaces by other tensors, instead of writing into them: a function that gives all
            tensors to the network would lose them.
        """
        descent = self.descent
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            kept = [
                (n.module, {k: (b, b.clone()) for k, b in n.module.named_buffers()})
                for n in self.networks
                if isinstance(n.module, nn.Module)
            ]
            copies = [(n, n.fresh_buffers()) for n in self.networks]
            results = self.forward(**descent.function.networks(), **bound)
            values = dict(zip(descent.names, results, strict=True))
            self.moved = []
            for i, goal in enumerate(descent.goals):
                parameters = [p for g in goal.groups for p in g.parameters]
                found = torch.autograd.grad(values[f"loss:{i}"], parameters, retain_graph=True, allow_unused=True)
                self.moved += [g is not None for g in found]
        replaced = []
        with torch.no_grad():
            for module, buffers in kept:
                for name, buffer in module.named_buffers():
                    before, value = buffers[name]
                    buffer.copy_(value)
                    if buffer is not before:
                        replaced.append(f"{type(module).__name__}.{name}")
            for net, fresh in copies:
                net.keep(fresh)
        return replaced

    def losses(self, parameters: Sequence[Tensor], bound: Mapping[str, Any]) -> tuple[Any, Any]:
        """The losses at the given parameters, the graph's other results, and the buffers as the call left them."""
        given = dict(bound)
        for name, i in self.cells.items():
            given[name] = parameters[i]
        buffers = [n.fresh_buffers() for n in self.networks]
        calls = {n.argument: n.bind(parameters, b) for n, b in zip(self.networks, buffers, strict=True)}
        results = self.forward(**calls, **given)
        count = len(self.descent.goals)
        losses = tuple(r if g.sign > 0 else -r for r, g in zip(results[:count], self.descent.goals, strict=True))
        return losses, (results, buffers)

    def run(self, bound: Mapping[str, Any], stopped: Tensor | None) -> dict[str, Any]:
        """The update; tensors are written where it is accepted."""
        descent = self.descent
        parameters = tuple(descent.parameters)
        gradients, (results, buffers) = self.gradients(parameters, bound)
        values = dict(zip(descent.names, results, strict=True))
        for net, new in zip(self.networks, buffers, strict=True):
            net.keep(new)
        norms, accepted = [], []
        start = 0
        for i, goal in enumerate(descent.goals):
            count = sum(len(g.parameters) for g in goal.groups)
            norm, finite = self._apply(i, gradients[i], start, values, stopped)
            start += count
            norms.append(norm)
            accepted.append(finite)
        return descent.metrics(values, norms, accepted)

    def gradients(self, parameters: tuple[Tensor, ...], bound: Mapping[str, Any]) -> tuple[list[Any], Any]:
        """Of each goal, the gradient by its own parameters."""
        if len(self.descent.goals) == 1:
            found, aux = torch.func.grad(lambda p: _first(self.losses(p, bound)), has_aux=True)(parameters)
            return [found], aux
        pulled: Any = torch.func.vjp(lambda p: self.losses(p, bound), parameters, has_aux=True)
        losses, pull, aux = pulled
        split, start = [], 0
        for i, goal in enumerate(self.descent.goals):
            (found,) = pull(tuple(torch.ones_like(x) if j == i else torch.zeros_like(x) for j, x in enumerate(losses)))
            count = sum(len(g.parameters) for g in goal.groups)
            split.append(found[start : start + count])
            start += count
        return split, aux

    def _apply(
        self, i: int, found: Sequence[Tensor], start: int, values: Mapping[str, Any], stopped: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        goal = self.descent.goals[i]
        moved = (self.moved or [True] * len(self.descent.parameters))[start : start + len(found)]
        reached = [g for g, m in zip(found, moved, strict=True) if m]
        norm = torch.stack([(g * g).sum() for g in reached]).sum().sqrt()
        accepted = torch.isfinite(norm + values[f"loss:{i}"])
        finite = accepted.to(torch.float32)
        if stopped is not None:
            accepted = accepted & (stopped == 0)
            if "stop" in values:
                accepted = accepted & (values["stop"] == 0)
        limit = self.descent.limit(i, values)
        factor = None if limit is None else torch.clamp(limit / (norm + 1e-6), max=1.0)
        at = 0
        for j, group in enumerate(goal.groups):
            count = len(group.parameters)
            part = list(
                zip(group.parameters, found[at : at + count], moved[at : at + count], range(count), strict=True)
            )
            at += count
            kept = [k for _, _, m, k in part if m]
            if not kept:
                continue
            gradients = [g if factor is None else g * factor for _, g, m, _ in part if m]
            state = {slot: [v[k] for k in kept] for slot, v in group.state.items()}
            group.step.add_(accepted.to(torch.float32))
            group.write(
                [group.parameters[k] for k in kept],
                gradients,
                state,
                group.step,
                self.descent.lr(i, j, values),
                accepted,
            )
            group.project()
        return norm, finite


def _first(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    return pair[0][0], pair[1]


class Functional:
    """A network of the graph as a function of explicit tensors.

    Args:
        net: the network.
        role: its role.
        argument: the graph's argument that it is called through.
        where: the positions of the moved parameters, by identity.
    """

    def __init__(self, net: Network, role: str, argument: str, where: Mapping[int, int]):
        self.module, self.argument, self.role = net.module, argument, role
        self.plain = net.pure or not isinstance(net.module, nn.Module)
        if self.plain:
            return
        source = net.tensors(role if role in COPIED else "live")
        self.live = role == "live"
        self.moved = {name: where[id(t)] for name, t in source.items() if self.live and id(t) in where}
        self.held = {name: t for name, t in source.items() if name not in self.moved}
        self.buffers = (
            {name for name, _ in net.module.named_buffers(remove_duplicate=False)}
            if (self.live or role in COPIED) and net.module.training
            else set()
        )

    def fresh_buffers(self) -> dict[str, Tensor]:
        """The buffers, cloned, for the call to change."""
        return {} if self.plain else {name: self.held[name].clone() for name in self.buffers}

    def bind(self, parameters: Sequence[Tensor], buffers: Mapping[str, Tensor]) -> Callable[..., Any]:
        """The call at the given parameters."""
        if self.plain:
            return self.module
        held = self.held if self.role != "frozen" else {k: t.detach() for k, t in self.held.items()}
        given = {**held, **buffers, **{name: parameters[i] for name, i in self.moved.items()}}
        return lambda *args: torch.func.functional_call(self.module, given, args)

    def keep(self, buffers: Mapping[str, Tensor]) -> None:
        """Writes the buffers as the call left them."""
        for name, value in buffers.items():
            self.held[name].copy_(value)

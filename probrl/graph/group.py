"""Parameters that one optimiser moves, with its state: made, updated in place, stored as torch.optim's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from probrl.errors import CheckpointError
from probrl.expr.state import Cell
from probrl.graph.cells import raw_bounds
from probrl.graph.optimizers import Optimizer


class Group:
    """Parameters under one optimiser.

    Args:
        parameters: the tensors, moved in place.
        optimizer: its rule and hyper-parameters.
        cells: of a scalar among them, its cell, by position.
    """

    def __init__(self, parameters: Sequence[Tensor], optimizer: Optimizer, cells: dict[int, Cell] | None = None):
        self.parameters = list(parameters)
        self.optimizer = optimizer
        self.bounds = {i: b for i, c in (cells or {}).items() if (b := raw_bounds(c)) is not None}
        device = self.parameters[0].device
        self.step = torch.zeros((), dtype=torch.float32, device=device)
        lazy = any(isinstance(p, nn.UninitializedParameter) for p in self.parameters)
        self.state: dict[str, list[Tensor]] = {} if lazy else self.zeros()  # lazy layers get their shapes by running

    def zeros(self) -> dict[str, list[Tensor]]:
        """The optimiser's state before its first step."""
        return {
            slot: [torch.zeros_like(p, memory_format=torch.preserve_format).detach() for p in self.parameters]
            for slot in self.optimizer.slots
        }

    def tensors(self) -> list[Tensor]:
        """What an update changes in place."""
        return [*self.parameters, self.step, *(t for slot in self.state.values() for t in slot)]

    def update(
        self, gradients: Sequence[Tensor], lr: Any, scale: Tensor | None, refused: Tensor, moved: Sequence[bool]
    ) -> None:
        """One step in place, eagerly; ``moved`` leaves out the parameters that the loss does not reach."""
        self.state = self.state or self.zeros()
        everything = all(moved)
        keep = (lambda xs: xs) if everything else (lambda xs: [x for x, m in zip(xs, moved, strict=True) if m])
        parameters, state = keep(self.parameters), {k: keep(v) for k, v in self.state.items()}
        gradients = keep(gradients)
        self.step += 1 - refused
        if not self.optimizer.fused(parameters, gradients, state, self.step, lr, scale, refused):
            if scale is not None:
                gradients = torch._foreach_div(list(gradients), scale)
            self.write(parameters, gradients, state, self.step, lr, refused == 0)
        self.project()

    def write(self, parameters: Any, gradients: Any, state: Any, step: Tensor, lr: Any, accepted: Tensor) -> None:
        """The optimiser's rule, written to the tensors where the update is accepted."""
        new, new_state = self.optimizer.rule(parameters, gradients, state, step, lr)
        for old, value in zip(parameters, new, strict=True):
            old.copy_(torch.where(accepted, value, old))
        for slot, values in new_state.items():
            for old, value in zip(state[slot], values, strict=True):
                old.copy_(torch.where(accepted, value, old))

    def project(self) -> None:
        """Holds bounded scalars within their bounds."""
        for i, (low, high) in self.bounds.items():
            self.parameters[i].clamp_(low, high)

    def state_dict(self) -> dict[str, Any]:
        """The state as ``torch.optim`` keeps it."""
        entries = {}
        if float(self.step) > 0:
            for i in range(len(self.parameters)):
                entries[i] = {slot: values[i].clone() for slot, values in self.state.items()}
                if self.optimizer.slots and self.optimizer.slots != ("momentum_buffer",):
                    entries[i]["step"] = self.step.clone()
        entries_: dict[int, Any] = entries
        return {
            "state": entries_,
            "param_groups": [{**self.optimizer.hyper(), "params": list(range(len(self.parameters)))}],
            "step": float(self.step),
        }

    @torch.no_grad()
    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Takes over a state, this class's or ``torch.optim``'s of the same parameters.

        Errors:
            CheckpointError: when it belongs to other parameters.
        """
        entries = saved["state"]
        count = sum(len(g["params"]) for g in saved["param_groups"])
        if count != len(self.parameters):
            raise CheckpointError(
                f"the optimiser state is of {count} parameters and the program moves {len(self.parameters)}"
            )
        for i, parameter in enumerate(self.parameters):
            entry = entries.get(i, {})
            for slot, values in self.state.items():
                value = entry.get(slot)
                if value is not None and value.shape != parameter.shape:
                    raise CheckpointError(
                        f"the optimiser state's '{slot}' {i} has the shape {tuple(value.shape)}, the parameter {tuple(parameter.shape)}"
                    )
                values[i].copy_(value) if value is not None else values[i].zero_()
        steps = [float(e["step"]) for e in entries.values() if "step" in e]
        self.step.fill_(saved.get("step", max(steps, default=0.0)))

"""Printed = executed, on the user's own batch: the sympy reading in numpy against the graph, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from probrl.errors import ProbrlError
from probrl.expr.base import Expr, show
from probrl.expr.recursion import unbound
from probrl.expr.state import COPIED
from probrl.graph.batch import entries
from probrl.graph.cells import tensor_of
from probrl.graph.function import Function
from probrl.graph.misfit import explained
from probrl.graph.roles import InRole
from probrl.symbolic import reading

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes:
        value: the value of the executed graph.
        value_error: the largest relative difference of the values.
        gradient_error: the largest relative difference of the gradients by the parameters.
        parameters: how many parameter tensors the gradient was compared for.
        ignored: entries of the batch that the formula does not read.
    """

    value: Any
    value_error: float
    gradient_error: float
    parameters: int
    ignored: tuple[str, ...]

    def __str__(self) -> str:
        extra = f"; entries not read: {', '.join(self.ignored)}" if self.ignored else ""
        return (
            f"printed = executed: value within {self.value_error:.1e}, gradient by {self.parameters} parameter tensors "
            f"within {self.gradient_error:.1e}{extra}"
        )

    __repr__ = __str__


def check(expr: Expr, batch: Mapping[str, Any], tolerance: float = TOLERANCE) -> Check:
    """Verifies that the printed formula equals the executed graph, in value and gradient.

    The formula is read into sympy and run in numpy, with the values of its networks and draws supplied; the graph runs
    in torch. Both are in float64, whatever the modules are in.

    Errors:
        DataError: when the batch does not fit.
        ProbrlError: when they differ by more than the tolerance, relative to the larger of 1 and the value.
    """
    formula = reading(expr)
    # what is only handed on has no value of its own, and neither has what stands inside a recursion, which is supplied whole
    nodes = [formula.root, *(x for x in formula.leaves.values() if x.type.rank is not None and not unbound(x))]
    function = Function({f"x_{i}": x for i, x in enumerate(nodes)})
    batch = entries(batch, function.columns.sources)
    wide = {k: _wide(v) for k, v in batch.items()}
    generator = torch.Generator().manual_seed(0)
    function.columns.take(batch)  # the user's own columns are checked, not the widened ones
    leaves: dict[int, Tensor] = {}
    calls = {name: _wide_call(net, role, leaves) for (net, role), name in function.inputs.networks.items()}
    scalars = {}
    for cell in function.inputs.cells:
        scalars[cell] = _leaf(tensor_of(cell), leaves)
    function.noise_shapes(batch, generator)  # found with the modules as they are
    bound = function.bind(wide, generator, None, scalars)
    devices = [t.device for t in leaves.values()]
    with (
        torch.random.fork_rng(devices=[d for d in devices if d.type == "cuda"]),
        explained((function, {**calls, **bound})),
    ):
        results = function._forward(**calls, **bound)
    value, supplied = results[0], dict(zip(nodes[1:], results[1:], strict=True))
    arrays = {node: _ordered(function, i + 1, x) for i, (node, x) in enumerate(supplied.items())}
    found = formula.evaluate(arrays, gradients=True)
    value_error = _distance(_ordered(function, 0, value), found.value)
    gradient_error, count = _gradients(value, supplied, found, function, nodes, list(leaves.values()))
    report = Check(value.detach() if isinstance(value, Tensor) else value, value_error, gradient_error, count,
                   tuple(sorted(set(map(str, batch)) - set(function.inputs.columns))))  # fmt: skip
    if not max(value_error, gradient_error) <= tolerance:
        raise ProbrlError(f"printed and executed differ: {report}; the formula is {show(expr)}")
    return report


def _wide(x: Any) -> Any:
    if isinstance(x, Mapping):  # what is only handed on goes to networks in double precision as well
        return {k: _wide(v) for k, v in x.items()}
    return x.double() if isinstance(x, Tensor) and x.is_floating_point() else x


def _leaf(tensor: Tensor, leaves: dict[int, Tensor]) -> Tensor:
    if id(tensor) not in leaves:
        wide = tensor.detach().double() if tensor.is_floating_point() else tensor.detach().clone()
        leaves[id(tensor)] = wide.requires_grad_() if tensor.requires_grad and wide.is_floating_point() else wide
    return leaves[id(tensor)]


def _wide_call(net: Any, role: str, leaves: dict[int, Tensor]) -> Any:
    if net.pure or not isinstance(net.module, nn.Module):
        return net.module
    source = net.tensors(role if role in COPIED else "live")
    values = {k: _leaf(t, leaves) for k, t in source.items()}
    if role == "frozen":
        values = {k: t.detach() for k, t in values.items()}
    return InRole(net, lambda: values)


def _ordered(function: Function, i: int, x: Any) -> Any:
    """A result laid out as its type says."""
    name = f"x_{i}"
    t, lowered = function.roots[name].type, function.values[name]
    if not isinstance(x, Tensor):
        return torch.tensor(float(x), dtype=torch.float64).numpy()
    order = [lowered.axes.index(a) for a in t.names if a in lowered.axes]
    x = x.detach().permute((*order, *range(len(order), x.dim())))
    return (x.double() if x.is_floating_point() or x.dtype is torch.bool else x).cpu().numpy()


def _gradients(
    value: Any, supplied: Mapping[Expr, Any], found: Any, function: Function, nodes: list[Expr], leaves: list[Tensor]
) -> tuple[float, int]:
    """The graph's gradient against the printed formula's, carried through the networks to their parameters."""
    wanted = [t for t in leaves if t.requires_grad]
    if not wanted or not isinstance(value, Tensor) or not value.requires_grad:
        return 0.0, 0
    ours = torch.autograd.grad(value.sum(), wanted, retain_graph=True, allow_unused=True)
    outputs, weights = [], []
    for i, node in enumerate(nodes[1:], start=1):
        x = supplied[node]
        if node in found.gradients and isinstance(x, Tensor) and x.requires_grad:
            t, axes = function.roots[f"x_{i}"].type, function.values[f"x_{i}"].axes
            weight = torch.tensor(found.gradients[node], dtype=x.dtype, device=x.device)
            order = [t.names.index(a) for a in axes]
            outputs.append(x)
            weights.append(weight.permute((*order, *range(len(order), weight.dim()))).expand(x.shape))
    theirs = torch.autograd.grad(outputs, wanted, weights, allow_unused=True) if outputs else [None] * len(wanted)
    worst, count = 0.0, 0
    for a, c in zip(ours, theirs, strict=True):
        if a is not None or c is not None:
            a = torch.zeros_like(c) if a is None else a
            c = torch.zeros_like(a) if c is None else c
            worst, count = max(worst, _distance(a.numpy(force=True), c.numpy(force=True))), count + 1
    return worst, count


def _distance(a: Any, b: Any) -> float:
    a, b = (torch.tensor(x, dtype=torch.float64) for x in (a, b))
    if a.isnan().any() or b.isnan().any():
        return float("nan")
    scale = max(1.0, float(b.abs().max()) if b.numel() else 1.0)
    return float((a - b).abs().max()) / scale if a.numel() else 0.0

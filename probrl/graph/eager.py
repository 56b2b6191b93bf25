"""The graph of an update as it is run step by step: what needs a gradient first, the rest without one, means together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, fx

from probrl.graph.ops import counted, masked_mean


def in_two(module: fx.GraphModule, first: int) -> Callable[..., tuple[Any, ...]]:
    """The function of a graph, its first results with a gradient and the others without.

    The others come last in the order of computation and leave no trace for autograd; those that are means over the rows
    of one mask are taken together. The results are the graph's own, but for the order of summation.

    Args:
        module: the graph.
        first: how many results have a gradient.
    """
    nodes: list[Any] = list(module.graph.nodes)
    results = list(nodes[-1].args[0])
    inside = _needed(nodes, results[:first])
    later = [node for node in nodes if node not in inside and node.op not in ("placeholder", "output")]
    inputs = [node for node in nodes if node.op == "placeholder"]
    read = [x for node in later for x in node.all_input_nodes] + [x for x in results[first:] if isinstance(x, fx.Node)]
    handed = [x for x in dict.fromkeys(read) if x in inside or x in inputs]
    one = _part(module, inputs, [n for n in nodes if n in inside], (*results[:first], *handed))
    two = _part(module, handed, later, tuple(results[first:]))

    def run(**arguments: Any) -> tuple[Any, ...]:
        found = one(**arguments)
        with torch.no_grad():
            return (*found[:first], *two(*found[first:]))

    return run


def _needed(nodes: Sequence[Any], results: Sequence[Any]) -> set[Any]:
    """What results are computed from, inputs left out."""
    found = {x for x in results if isinstance(x, fx.Node)}
    for node in reversed(nodes):
        if node in found:
            found.update(node.all_input_nodes)
    return {node for node in found if node.op != "placeholder"}


def _part(
    module: fx.GraphModule, inputs: Sequence[Any], nodes: Sequence[Any], results: tuple[Any, ...]
) -> Callable[..., Any]:
    """Some of a graph's nodes as a function of the inputs."""
    graph = fx.Graph()
    copies: dict[Any, Any] = {}
    weights: dict[Any, fx.Node] = {}
    for node in inputs:
        copies[node] = graph.placeholder(str(node.target) if node.op == "placeholder" else node.name)
    together = _together(nodes, results)
    for node in nodes:
        group = together.get(node)
        if group is None:
            copies[node] = _mean(graph, node, copies, weights) or graph.node_copy(node, copies.__getitem__)
        elif node is group[-1]:  # the last one of them: all that they need is there
            _, mask, rows, dims = node.args
            values = tuple(copies[member.args[0]] for member in group)
            means = graph.call_function(masked_means, (values, copies[mask], copies[rows], dims))
            for i, member in enumerate(group):
                copies[member] = graph.call_function(_at, (means, i))
    graph.output(fx.node.map_arg(results, copies.__getitem__))
    return fx.GraphModule(module, graph).forward


def _mean(graph: fx.Graph, node: Any, copies: dict[Any, Any], weights: dict[Any, fx.Node]) -> fx.Node | None:
    """A mean over the one axis of a mask as a product with weights, which all such means share."""
    if node.target is not masked_mean or node.args[3] != (0,):
        return None
    x, mask, rows, _ = node.args
    if rows.target is not counted or rows.args[1:] != ((0,), None):
        return None
    if rows not in weights:
        weights[rows] = graph.call_function(_weights, (copies[mask], copies[rows]))
    return graph.call_function(_weighted, (copies[x], copies[mask], weights[rows], copies[rows]))


def _together(nodes: Sequence[Any], results: tuple[Any, ...]) -> dict[Any, list[Any]]:
    """The means over the same rows that are results and nothing else, by each of them."""
    groups: dict[Any, list[Any]] = {}
    for node in nodes:
        if node.target is masked_mean and node in results and all(user.op == "output" for user in node.users):
            groups.setdefault(node.args[1:], []).append(node)
    return {node: group for group in groups.values() if len(group) > 1 for node in group}


def _at(values: Any, index: int) -> Any:
    return values[index]


def _weights(mask: Tensor, rows: Tensor) -> Tensor:
    """What each row counts in a mean."""
    return mask / rows


def _weighted(x: Tensor, mask: Tensor, weights: Tensor, rows: Tensor) -> Tensor:
    if x.dim() != 1 or x.dtype is not weights.dtype or x.shape != mask.shape:
        return masked_mean(x, mask, rows, (0,))
    return torch.dot(torch.where(mask, x, _zero(x.dtype, x.device)), weights)


def masked_means(xs: Sequence[Tensor], mask: Tensor, rows: Tensor, dims: tuple[int, ...]) -> Sequence[Tensor]:
    """The means of several values over the same rows, see :func:`probrl.graph.ops.masked_mean`."""
    shape, dtype = xs[0].shape, xs[0].dtype
    if shape != mask.shape or any(x.shape != shape or x.dtype is not dtype for x in xs):
        return [masked_mean(x, mask, rows, dims) for x in xs]
    kept = torch.where(mask, torch.stack(tuple(xs)), _zero(dtype, mask.device))
    return (kept.sum([d + 1 for d in dims]) / rows).unbind()


@cache
def _zero(dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.zeros((), dtype=dtype, device=device)

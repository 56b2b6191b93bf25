"""Leaves: what a graph takes, and numbers."""

from __future__ import annotations

import torch

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.graph.lowering import Lowering, Value
from probrl.graph.rules import rule


@rule.register
def _(node: n.Symbol, to: Lowering) -> Value:
    if node.depth is not None:
        raise ExpressionError(f"'{node.name}' is the variable of a recursion and has no value outside its body")
    placed = to.placeholder("column", node.name, node.name)
    to.inputs.columns[node.name], to.inputs.targets[node.name] = node, str(placed.target)
    return Value(placed, to.names(node.axes), node.rank)


@rule.register
def _(node: n.Number, to: Lowering) -> Value:
    return Value(node.value)


@rule.register
def _(node: n.State, to: Lowering) -> Value:
    raw = to.placeholder("cell", node.cell, f"log_{node.cell.name}" if node.cell.positive else node.cell.name)
    to.inputs.cells[node.cell] = str(raw.target)
    return Value(to.emit(torch.exp, raw) if node.cell.positive else raw)


@rule.register
def _(node: n.Noise, to: Lowering) -> Value:
    placed = to.placeholder("noise", node, f"noise_{len(to.inputs.noises)}")
    to.inputs.noises[node] = str(placed.target)
    axes = to.names(node.type.axes)
    for axis, size in node.extra:
        to.sizes.setdefault(axis.name, (size, -1))
    return Value(placed, axes, node.type.rank)


@rule.register
def _(node: n.Range, to: Lowering) -> Value:
    if node.of is not None and node.axis.name not in to.sizes:
        to.lower(node.of)
    length = to.size(node.axis.name)
    return Value(to.emit(torch.arange, length), (node.axis.name,), 0)

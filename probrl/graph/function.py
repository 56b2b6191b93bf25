"""A graph with everything that it reads bound to it: formulas as a function of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor, fx

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.depth import deep
from probrl.expr.ranks import settle
from probrl.expr.state import Cell
from probrl.expr.traversal import everything, walk
from probrl.graph.batch import Columns, are_times, entries, has_ends, masks_of_next, times_in, without_idle_rows
from probrl.graph.cells import tensor_of
from probrl.graph.lowering import Lowering, Value
from probrl.graph.memory import keep_what_is_freed
from probrl.graph.misfit import explained
from probrl.graph.noise import draw
from probrl.graph.roles import callable_of
from probrl.graph.sizes import axis_size, event_shape


class Function:
    """Formulas lowered together: one graph, each sub-formula once.

    Args:
        outputs: the formulas by name.
        flat: whether all data axes are one, as in a minibatch of shuffled rows.

    Attributes:
        module: the ``torch.fx`` graph module; its arguments are ``arguments``.
    """

    def __init__(self, outputs: Mapping[str, Expr], flat: bool = False):
        keep_what_is_freed()
        self.roots = dict(zip(outputs, settle(*outputs.values()), strict=True))
        self.flat = flat
        lowering = Lowering(flat)
        lowering.hold(tuple(self.roots.values()))
        with deep():
            values = {name: lowering.lower(x) for name, x in self.roots.items()}
        self.values = {
            name: lowering.laid_out(lowering.numeric(v), self.roots[name].type.axes) for name, v in values.items()
        }
        self.module = lowering.finish(tuple(_kept(v.node, lowering) for v in self.values.values()))
        self.inputs = lowering.inputs
        self.arguments = [str(p.target) for p in self.module.graph.nodes if p.op == "placeholder"]
        self.columns = Columns(self.inputs.columns, tuple(self.roots.values()), flat)
        self.next_masks, self.times = masks_of_next(self.roots.values()), times_in(self.roots.values())
        self.noises = [x for x in walk(*self.roots.values(), through=everything) if x in self.inputs.noises]
        self._shapes: dict[Any, list[tuple[int, ...]]] = {}
        self._calls: dict[str, Any] = {}
        self._forward = self.module.forward

    def networks(self) -> dict[str, Any]:
        """What each network argument is called with: the live modules, or copies in their roles."""
        if not self._calls:
            self._calls = {name: callable_of(net, role) for (net, role), name in self.inputs.networks.items()}
        return self._calls

    def bind(self, batch: Mapping[str, Any], generator: Generator | None = None,
             noise: Mapping[Expr, Tensor] | None = None, scalars: Mapping[Cell, Tensor] | None = None) -> dict[str, Any]:  # fmt: skip
        """Every argument but the networks, by name."""
        bound = dict(zip(self.inputs.targets.values(), self.columns.take(batch), strict=True))
        for cell, name in self.inputs.cells.items():
            bound[name] = scalars[cell] if scalars and cell in scalars else tensor_of(cell)
        if self.noises:
            bound.update(self.draws(batch, bound, generator, noise or {}))
        return bound

    def bind_once(
        self,
        batch: Mapping[str, Any],
        generator: Generator | None,
        drawn: dict[Expr, Tensor],
        scalars: Mapping[Cell, Tensor],
    ) -> dict[str, Any]:
        """Every argument but the networks; a noise that was drawn before keeps its value, and new ones are noted."""
        bound = self.bind(batch, generator, drawn, scalars)
        drawn.update({noise: bound[self.inputs.noises[noise]] for noise in self.noises})
        return bound

    def draws(self, batch: Mapping[str, Any], bound: Mapping[str, Any], generator: Generator | None,
              given: Mapping[Expr, Tensor]) -> dict[str, Tensor]:  # fmt: skip
        """A value for every noise, in the order in which they occur."""
        shapes = self.noise_shapes(batch, generator)
        like = next((t for t in bound.values() if isinstance(t, Tensor) and t.is_floating_point()), None)
        dtype = like.dtype if like is not None else torch.get_default_dtype()
        device = like.device if like is not None else torch.device("cpu")
        found = {}
        # what a draw is like may have been settled since it was given: its identity is its number
        by_identity = {x.uid: v for x, v in given.items()}
        for noise, shape in zip(self.noises, shapes, strict=True):
            value = by_identity.get(noise.uid)
            found[self.inputs.noises[noise]] = draw(noise, shape, dtype, device, generator) if value is None else value
        return found

    def noise_shapes(self, batch: Mapping[str, Any], generator: Generator | None) -> list[tuple[int, ...]]:
        """The shape of every noise, found once for each combination of column shapes."""
        key = tuple(_sizes(batch[s]) for s in self.inputs.columns)
        if key not in self._shapes:
            self._shapes[key] = [shape_of(x, batch, self.flat, self.inputs.columns) for x in self.noises]
        return self._shapes[key]

    def __call__(self, batch: Mapping[str, Any], generator: Generator | None = None,
                 noise: Mapping[Expr, Tensor] | None = None, scalars: Mapping[Cell, Tensor] | None = None) -> dict[str, Tensor]:  # fmt: skip
        """The values of the formulas on a batch, eagerly."""
        bound = self.bind(batch, generator, noise, scalars)
        with explained((self, bound)):
            results = self._forward(**self.networks(), **bound)
        return dict(zip(self.values, results, strict=True))


def _sizes(column: Any) -> Any:
    """The shape of a column; of a nested dict, those of all its tensors."""
    if isinstance(column, Mapping):
        return tuple(map(_sizes, column.values()))
    return tuple(column.shape) if isinstance(column, Tensor) else None


def _kept(node: Any, lowering: Lowering) -> Any:
    """A result that later updates do not change: a scalar that is handed out as it is becomes a copy."""
    inner = node
    while isinstance(inner, fx.Node) and inner.target is torch.Tensor.detach:
        inner = inner.args[0]
    held = isinstance(inner, fx.Node) and str(inner.target) in lowering.inputs.cells.values()
    return lowering.emit(torch.clone, node) if held else node


def shape_of(noise: n.Noise, batch: Mapping[str, Any], flat: bool, columns: Mapping[str, n.Symbol]) -> tuple[int, ...]:
    """The shape of a noise: that of the formula it is like, which is run once to see it, and its own axes."""
    sizes = [size for _, size in noise.extra]
    if noise.like is None:
        return tuple(sizes)
    if any(isinstance(x, n.Symbol) and x.depth is not None for x in walk(noise.like, through=everything)):
        return _declared_shape(noise.like, batch, columns, sizes)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        function = Function({"like": noise.like}, flat)
        value: Value = function.values["like"]
        result = function(batch)["like"]
    if not isinstance(result, Tensor):
        return tuple(sizes)
    axes = Lowering(flat).names(noise.like.type.axes)
    by_name = dict(zip(value.axes, result.shape, strict=False))
    return (*(by_name[a] for a in axes), *sizes, *result.shape[len(value.axes) :])


def _declared_shape(
    like: Expr, batch: Mapping[str, Any], columns: Mapping[str, n.Symbol], extra: list[int]
) -> tuple[int, ...]:
    """The shape of a formula inside a recursion's body, which cannot be run by itself: read off columns and networks."""
    event = event_shape(like, {})
    if event is None:
        raise ExpressionError(
            f"the size of {show(like)}, in the shape of which a recursion's body draws, cannot be read off it"
        )
    lead = []
    for axis in like.type.axes:
        sized = [batch[c].shape[s.type.names.index(axis.name)] for c, s in columns.items() if axis.name in s.type.names]
        size = sized[0] if sized else axis_size(like, axis.name)
        if size is None:
            raise ExpressionError(f"nothing says how long the axis '{axis.name}' of {show(like)} is")
        lead.append(size)
    return (*lead, *extra, *event)


def evaluate(expr: Expr, batch: Mapping[str, Any], generator: Generator | None = None,
             noise: Mapping[Expr, Tensor] | None = None) -> Tensor:  # fmt: skip
    """The value of a formula on a batch: a tensor laid out (axes..., event...).

    Errors:
        DataError: when the batch lacks a column, one does not fit its declaration, a time is outside of [0, 1], or an
            episode has no last row to look at.
    """
    function = expr._cache.get("function")
    if function is None:
        function = expr._cache["function"] = Function({"value": expr})
    columns = entries(batch, function.columns.sources)
    has_ends(columns, function.next_masks)
    are_times(columns, function.times)
    columns = without_idle_rows(columns, function.inputs.columns, function.next_masks)
    result = function(columns, generator, noise)["value"]
    return result if isinstance(result, Tensor) else torch.tensor(result, dtype=torch.get_default_dtype())

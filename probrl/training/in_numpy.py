"""Acting in numpy: the graph of a policy's draw, node for node, for networks that are small enough to gain by it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from probrl.graph.function import Function
from probrl.graph.ops import network
from probrl.training.plain import Array, plain


class InNumpy:
    """The first output of a function, in numpy; the others afterwards, for all rows at once, by the function's own graph.

    The networks are called once per step, in numpy; what they said is kept, so that the other outputs (the
    log-probability) are of the very numbers that the action came from.

    Args:
        function: formulas of one column; the first is the action.
        graph: the action's graph over arrays, see :func:`in_numpy`.
        column: the name of the observation.
        noises: the names of the noises.
    """

    def __init__(self, function: Function, graph: fx.GraphModule, column: str, noises: Sequence[str]) -> None:
        self._function, self._column, self._noises = function, column, list(noises)
        self._forward, self._names = graph.forward, [str(p.target) for p in graph.graph.nodes if p.op == "placeholder"]
        self._bound: dict[str, Callable[[Array], Any]] = {}
        self._said: dict[str, list[Any]] = {}

    def begin(self, rows: int) -> bool:
        """Looks at the networks as they are now; False where they need torch for so many rows."""
        self._bound = {}
        for name, module in self._function.networks().items():
            call = plain(module, rows) if isinstance(module, nn.Module) else None
            if call is None:
                return False
            self._bound[name] = call
        return True

    def steps(self, noise: Sequence[Array]) -> Callable[[Array], Array]:
        """One call per step: observations ``(rows, n)`` to actions.

        Args:
            noise: every noise, ``(steps, rows, ...)``.
        """
        self._said = {name: [] for name in self._bound}
        where = {name: i for i, name in enumerate(self._names)}
        given: list[Any] = [None] * len(where)
        for name, call in self._bound.items():
            given[where[name]] = _noted(call, self._said[name])
        forward, following = self._forward, zip(*noise, strict=True) if noise else repeat(())
        seen, drawn = where[self._column], [where[name] for name in self._noises]

        def act(observation: Array) -> Array:
            given[seen] = observation
            for place, value in zip(drawn, next(following), strict=True):
                given[place] = value
            return forward(*given)

        return act

    def rest(self, noise: Sequence[Tensor], seen: Tensor) -> tuple[Tensor, ...]:
        """The function's other outputs at all steps that were taken: ``(steps * rows, ...)``.

        Args:
            noise: every noise, ``(steps, rows, ...)``.
            seen: something of the observations' type and device, to stand for them.
        """
        networks = {name: _told(said, seen.device) for name, said in self._said.items()}
        taken = len(next(iter(self._said.values())))
        bound = {name: value[:taken].flatten(0, 1) for name, value in zip(self._noises, noise, strict=True)}
        return self._function._forward(**{self._column: seen}, **networks, **bound)[1:]


def in_numpy(function: Function, column: str, noises: Sequence[str]) -> InNumpy | None:
    """The function for acting in numpy, or None: some operation has no counterpart here, or a network is called twice."""
    if function.inputs.cells or set(function.inputs.columns) != {column}:
        return None
    graph = fx.Graph()
    copied: dict[fx.Node, Any] = {}
    wanted: set[fx.Node] = set()
    action: Any = None
    for node in reversed(function.module.graph.nodes):
        if node.op == "output":
            action = node.args[0][0]
            wanted.add(action)
        elif node in wanted:
            wanted.update(node.all_input_nodes)
    called: list[Any] = [node.args[0] for node in function.module.graph.nodes if node.target is network]
    if len(set(called)) != len(called) or not isinstance(action, fx.Node):
        return None
    for node in function.module.graph.nodes:
        if node.op == "placeholder":
            copied[node] = graph.placeholder(str(node.target))
        elif node.op == "call_function" and node.target is network:
            _, axes, lead, rank, _, *args = node.args
            if node not in wanted or (axes, lead) != (1, 0) or rank not in (1, (1, 1)) or len(args) != 1:
                return None
            copied[node] = graph.call_function(_call, (copied[node.args[0]], copied[args[0]]))
        elif node in wanted:
            counterpart = COUNTERPARTS.get(node.target)
            if counterpart is None:
                return None
            args = fx.node.map_arg(node.args, copied.__getitem__)
            kwargs = fx.node.map_arg(node.kwargs, copied.__getitem__)
            copied[node] = graph.call_function(counterpart, args, kwargs)
    graph.output(copied[action])
    return InNumpy(function, fx.GraphModule(nn.Module(), graph), column, noises)


def translated(function: Function) -> Callable[..., Any]:
    """The outputs of a function without networks, over arrays: node for node the same graph."""
    graph = fx.Graph()
    copied: dict[fx.Node, Any] = {}
    for node in function.module.graph.nodes:
        if node.op == "call_function":
            args, kwargs = (fx.node.map_arg(x, copied.__getitem__) for x in (node.args, node.kwargs))
            copied[node] = graph.call_function(COUNTERPARTS[node.target], args, kwargs)
        else:
            copied[node] = graph.node_copy(node, copied.__getitem__)
    forward: Callable[..., Any] = fx.GraphModule(nn.Module(), graph).forward
    return forward


def _noted(call: Callable[[Array], Any], said: list[Any]) -> Callable[[Array], Any]:
    note = said.append

    def noted(x: Array) -> Any:
        out = call(x)
        note(out)
        return out

    return noted


def _told(said: list[Any], device: torch.device) -> Callable[..., Any]:
    def told(outs: Sequence[Array]) -> Tensor:
        if outs[0] is outs[-1] and len(outs) > 1:  # parameters, the same at every step
            return torch.from_numpy(outs[0]).to(device)
        return torch.from_numpy(np.concatenate(outs)).to(device)

    def call(_: Any) -> Any:
        if not isinstance(said[0], tuple):
            return told(said)
        parts = [told(outs) for outs in zip(*said, strict=True)]
        widest = max(parts, key=lambda p: p.dim()).shape[0]
        return tuple(p if p.dim() > 1 else p.expand(widest, *p.shape) for p in parts)

    return call


def _call(net: Callable[[Array], Any], x: Array) -> Any:
    return net(x)


def _argmax(x: Array, dim: int) -> Array:
    return x.argmax(dim)


def _chunk(x: Array, chunks: int, dim: int = 0) -> Any:
    if dim in (-1, x.ndim - 1) and x.shape[-1] % chunks == 0:
        size = x.shape[-1] // chunks
        return [x[..., i * size : (i + 1) * size] for i in range(chunks)]
    return np.array_split(x, chunks, dim)


def _clamp(x: Array, min: Any = None, max: Any = None) -> Array:
    x = x if max is None else np.minimum(x, max)  # both together in a third of the time of np.clip
    return x if min is None else np.maximum(x, min)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _float(x: Array) -> Array:
    return x.astype(np.float32)


COUNTERPARTS: dict[Any, Callable[..., Any]] = {
    operator.add: operator.add,
    operator.sub: operator.sub,
    operator.mul: operator.mul,
    operator.truediv: operator.truediv,
    operator.getitem: operator.getitem,
    operator.lt: operator.lt,
    operator.gt: operator.gt,
    torch.exp: np.exp,
    torch.tanh: np.tanh,
    torch.sigmoid: _sigmoid,
    torch.clamp: _clamp,
    torch.argmax: _argmax,
    torch.chunk: _chunk,
    torch.Tensor.float: _float,
}

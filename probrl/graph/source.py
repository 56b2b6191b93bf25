"""A graph as Python: readable, and runnable on its own."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import fx

from probrl.graph.function import Function

INFIX = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.lt: "<", operator.le: "<=",
    operator.gt: ">", operator.ge: ">=", operator.eq: "==", operator.ne: "!=",
}  # fmt: skip
HEADER = "from __future__ import annotations\n\nimport math\n\nimport torch\nfrom torch import Tensor\nfrom torch.utils._pytree import tree_leaves, tree_map\n"


def source(function: Function, name: str = "forward") -> str:
    """The graph of a function as a module's source: its helpers, then the function, which takes what it reads by name."""
    return sources({name: function})


def sources(functions: dict[str, Function]) -> str:
    """The graphs of several functions as one module's source."""
    helpers: dict[str, Callable[..., Any]] = {}
    written = [block for name, f in functions.items() for block in _blocks(f.module, name, helpers, _doc(f))]
    shared = [inspect.getsource(h).rstrip() for h in helpers.values()]
    return "\n\n\n".join([HEADER.rstrip(), *shared, *written]) + "\n"


def _doc(function: Function) -> str:
    networks = list(function.inputs.networks.values())
    kinds = [
        ("networks", networks), ("columns", list(function.inputs.columns)), ("noises", list(function.inputs.noises.values())),
        ("scalars", list(function.inputs.cells.values())),
    ]  # fmt: skip
    takes = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds if names)
    gives = ", ".join(
        name.split(":")[0] if name.endswith(":0") else name.replace("report:", "") for name in function.values
    )
    return f'    """Takes {takes}.\n\n    Gives {gives}.\n    """' if takes else f'    """Gives {gives}."""'


def _blocks(module: fx.GraphModule, name: str, helpers: dict[str, Callable[..., Any]], doc: str | None) -> list[str]:
    """The function of a graph, after those of the graphs inside it."""
    inner: list[str] = []
    for child, sub in module.named_children():
        if isinstance(sub, fx.GraphModule):
            inner += _blocks(sub, f"{name}_{child}", helpers, None)
    names = _locals(module)
    arguments = [str(node.target) for node in module.graph.nodes if node.op == "placeholder"]
    lines = [f"def {name}({', '.join(arguments)}):"]
    if doc:
        lines.append(doc)
    for node in module.graph.nodes:
        if node.op == "placeholder" and names[node] != node.target:
            lines.append(f"    {names[node]} = {node.target}")
        elif node.op == "get_attr":
            lines.append(f"    {names[node]} = {name}_{node.target}")
        elif node.op == "call_function":
            lines.append(f"    {names[node]} = {_call(node, names, helpers)}")
        elif node.op == "output":
            lines.append(f"    return {_spelled(node.args[0], names)}")
    return [*inner, "\n".join(lines)]


def _locals(module: fx.GraphModule) -> dict[fx.Node, str]:
    """What each node is called in the source: its name, with a line under it where a function has that name."""
    called = {getattr(node.target, "__name__", None) for node in module.graph.nodes if node.op == "call_function"}
    taken = {node.name for node in module.graph.nodes}
    names = {}
    for node in module.graph.nodes:
        name = f"{node.name}_" if node.op != "placeholder" and node.name in called else node.name
        while name != node.name and name in taken:
            name = f"{name}_"
        names[node] = name
    return names


def _call(node: fx.Node, names: dict[fx.Node, str], helpers: dict[str, Callable[..., Any]]) -> str:
    target: Any = node.target
    args = [_spelled(a, names) for a in node.args] + [f"{k}={_spelled(v, names)}" for k, v in node.kwargs.items()]
    if target in INFIX:
        return f"{args[0]} {INFIX[target]} {args[1]}"
    if target is operator.neg:
        return f"-{args[0]}"
    if target is operator.getitem:
        return f"{args[0]}[{args[1]}]"
    if isinstance(target, FunctionType) and target.__module__.startswith("probrl."):
        _gather(target, helpers)
        return f"{target.__name__}({', '.join(args)})"
    return f"{_qualified(target)}({', '.join(args)})"


def _gather(function: FunctionType, helpers: dict[str, Callable[..., Any]]) -> None:
    """A helper and the helpers that it calls."""
    if function.__name__ in helpers:
        return
    helpers[function.__name__] = function
    codes = [function.__code__, *(c for c in function.__code__.co_consts if inspect.iscode(c))]
    for used in [n for c in codes for n in c.co_names]:
        other = function.__globals__.get(used)
        if isinstance(other, FunctionType) and other.__module__.startswith("probrl."):
            _gather(other, helpers)


def _qualified(target: Any) -> str:
    places: list[tuple[Any, str]] = [
        (torch.Tensor, "torch.Tensor"),
        (torch.nn.functional, "torch.nn.functional"),
        (torch, "torch"),
    ]
    name = str(target.__name__)
    for owner, prefix in places:
        if getattr(owner, name, None) is target:
            return f"{prefix}.{name}"
    return f"{target.__module__}.{name}"  # of this package or the standard library: tensors' methods have none


def _spelled(value: Any, names: dict[fx.Node, str]) -> str:
    if isinstance(value, fx.Node):
        return names[value]
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, (tuple, list)):
        inside = ", ".join(_spelled(v, names) for v in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_spelled(v, names)}" for k, v in value.items()) + "}"
    return repr(value)

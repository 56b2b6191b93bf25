"""What is rewritten in a graph before a compiler makes kernels for a CPU of it: each thing worked out once, where it is at hand.

The graph is that of aten's operations, forward, backward and optimiser in one. What it computes stays the same, up to
the order of rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

aten: Any = torch.ops.aten
HEAVY = frozenset(
    getattr(aten, name).default
    for name in ("exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin", "cos", "tanh", "sigmoid", "erf", "reciprocal")
) | {aten.pow.Tensor_Scalar}
LIGHT = frozenset(
    {aten.neg.default, aten.abs.default, aten.mul.Scalar, aten.add.Scalar, aten.sub.Scalar, aten.div.Scalar}
    | {getattr(aten, name).Tensor for name in ("add", "sub", "mul", "div")}
)
POINTWISE = HEAVY | LIGHT
LARGE = 4096  # entries from which on a further tensor is worth it
LANES = 16  # single precision numbers that one instruction takes


def rewritten(graph: fx.Graph) -> None:
    """All rewriting, in place; nothing for other devices."""
    values = [n.meta.get("val") for n in graph.nodes]
    if any(isinstance(v, Tensor) and v.device.type != "cpu" for v in values):
        return  # elsewhere products add a bias for nothing, and memory costs more than arithmetic
    for rewrite in REWRITING:
        rewrite(graph)


def add_biases_later(graph: fx.Graph) -> None:
    """b + X W by itself: a library of products copies b to all rows first, and the kernel that follows adds it for nothing."""
    for node in _of(graph, aten.addmm.default):
        bias, x, w = node.args
        if _value(bias).dim() == 1 and not node.kwargs:
            product = _before(graph, node, aten.mm.default, (x, w))
            _replace(graph, node, _before(graph, node, aten.add.Tensor, (product, bias)))


def lay_narrow_products_across(graph: fx.Graph) -> None:
    """X Y as (Y^T X^T)^T where its rows are short: they fill no register, and its columns do."""
    for node in _of(graph, aten.mm.default):
        shape = _value(node).shape
        if not _known(shape) or shape[1] >= LANES or shape[0] < LANES:
            continue
        x, y = (_before(graph, node, aten.permute.default, (a, [1, 0]), like=_value(a).t()) for a in node.args)
        product = _before(graph, node, aten.mm.default, (y, x), like=_value(node).t())
        _replace(graph, node, _before(graph, node, aten.permute.default, (product, [1, 0]), like=_value(product).t()))


def share_sigmoids(graph: fx.Graph) -> None:
    """x / (1 + exp(-x)) as x sigmoid(x), which its derivative has too."""
    for node in _of(graph, aten.div.Tensor):
        x, below = node.args
        power = next((a for a in below.args if _is(a, aten.exp.default)), None) if _is(below, aten.add.Tensor) else None
        if power is not None and set(below.args) == {power, 1} and _is(power.args[0], aten.neg.default, x):
            sigmoid = _before(graph, node, aten.sigmoid.default, (x,))
            _replace(graph, node, _before(graph, node, aten.mul.Tensor, (x, sigmoid)))


def derive_where_it_is_evaluated(graph: fx.Graph) -> None:
    """f'(x) beside f(x), stored in place of x: what is dear is worked out once, and the backward pass multiplies.

    Of a product g s a whose factors s and a follow from what a stored value follows from, s a is worked out there.
    """
    roots = _Roots()
    activations = {
        roots.of(n) for n in graph.nodes if n.target in POINTWISE and any(u.target not in POINTWISE for u in n.users)
    }
    for node in reversed(_of(graph, aten.mul.Tensor)):
        if not node.users or not _large(node):
            continue
        factors = _factors(node)
        own = [f for f in factors if _alike(f, node) and f.target in POINTWISE and roots.of(f) in activations]
        others = [f for f in factors if f not in own]
        groups = {roots.of(f) for f in own}
        if len(groups) == 1 and any(map(roots.dear, own)) and any(roots.of(f) - roots.of(own[0]) for f in others):
            slope = _product(graph, node, own)
            held = _before(graph, node, _stored(), (slope, list(_value(node).stride())))
            _replace(graph, node, _product(graph, node, [*others, held]))
    graph.eliminate_dead_code()


def work_scalars_out_once(graph: fx.Graph) -> None:
    """A scalar that is dear and read by every element is stored first: else each element works it out anew."""
    roots = _Roots()
    for node in list(graph.nodes):
        if node.target not in POINTWISE or _dims(node) or not roots.dear(node):
            continue
        readers = [u for u in node.users if (u.target in POINTWISE or u.target is aten.where.self) and _large(u)]
        if readers:
            row = _after(graph, node, aten.unsqueeze.default, (node, 0), _value(node).unsqueeze(0))
            pair = _after(graph, row, aten.cat.default, ([row, row],), _value(row).repeat(2))  # one alone is not stored
            read = _after(graph, pair, aten.select.int, (pair, 0, 0), _value(node))
            for reader in readers:
                reader.replace_input_with(node, read)


REWRITING = (
    add_biases_later,
    lay_narrow_products_across,
    share_sigmoids,
    derive_where_it_is_evaluated,
    work_scalars_out_once,
)


class _Roots:
    """What values follow from by pointwise operations: the nodes where those begin."""

    def __init__(self) -> None:
        self.known: dict[Any, frozenset[Any]] = {}
        self.costs: dict[Any, bool] = {}

    def of(self, node: Any) -> frozenset[Any]:
        """The nodes that are no pointwise operation, or are stored for a reader that is none; constants aside."""
        if not isinstance(node, fx.Node):
            return frozenset()
        if node not in self.known:
            begins = node.target not in POINTWISE
            inputs = [] if begins else [self._read(a) for a in node.all_input_nodes]
            constant = node.target is aten.full.default
            self.known[node] = frozenset() if constant else frozenset([node]) if begins else frozenset().union(*inputs)
        return self.known[node]

    def _read(self, node: Any) -> frozenset[Any]:
        stored = node.target in POINTWISE and any(u.op != "output" and u.target not in POINTWISE for u in node.users)
        return frozenset([node]) if stored and _dims(node) else self.of(node)

    def dear(self, node: Any) -> bool:
        """Whether a heavy operation stands between a value and its roots."""
        if not isinstance(node, fx.Node) or node.target not in POINTWISE:
            return False
        if node not in self.costs:
            inputs = [a for a in node.all_input_nodes if not _dims(a) or self._read(a) != frozenset([a])]
            self.costs[node] = node.target in HEAVY or any(self.dear(a) for a in inputs)
        return self.costs[node]


def _factors(node: Any) -> list[Any]:
    """The factors of a product of products that nobody else reads, all of its shape."""
    found: list[Any] = []
    for factor in node.args:
        inner = _is(factor, aten.mul.Tensor) and len(factor.users) == 1 and _alike(factor, node)
        found += _factors(factor) if inner else [factor]
    return found


def _product(graph: fx.Graph, node: Any, factors: Sequence[Any]) -> Any:
    product = factors[0]
    for factor in factors[1:]:
        product = _before(graph, node, aten.mul.Tensor, (product, factor))
    return product


def _stored() -> Any:
    from torch._inductor import inductor_prims  # importing it costs seconds, and only a compilation needs it

    return inductor_prims.force_stride_order


def _of(graph: fx.Graph, target: Any) -> list[Any]:
    return [n for n in graph.nodes if n.op == "call_function" and n.target is target]


def _is(node: Any, target: Any, *args: Any) -> bool:
    plain = isinstance(node, fx.Node) and node.target is target and not node.kwargs  # such as alpha, a factor of a term
    return plain and (not args or node.args == args)


def _value(node: Any) -> Tensor:
    value: Tensor = node.meta["val"]
    return value


def _dims(node: Any) -> int:
    value = node.meta.get("val")
    return value.dim() if isinstance(value, Tensor) else 0


def _alike(node: Any, other: Any) -> bool:
    """Whether a value has the shape and the type of another."""
    return isinstance(node, fx.Node) and all(
        getattr(_value(node), name) == getattr(_value(other), name) for name in ("shape", "dtype")
    )


def _known(shape: Sequence[Any]) -> bool:
    return all(type(size) is int for size in shape)


def _large(node: Any) -> bool:
    value = node.meta.get("val")
    return isinstance(value, Tensor) and _known(value.shape) and value.numel() >= LARGE


def _before(graph: fx.Graph, node: Any, target: Callable[..., Any], args: Any, like: Tensor | None = None) -> Any:
    """A new node in front of another, of its value's shape unless one is given."""
    with graph.inserting_before(node):
        new = graph.call_function(target, args)
    new.meta["val"] = _value(node) if like is None else like
    return new


def _after(graph: fx.Graph, node: Any, target: Callable[..., Any], args: Any, like: Tensor) -> Any:
    with graph.inserting_after(node):
        new = graph.call_function(target, args)
    new.meta["val"] = like
    return new


def _replace(graph: fx.Graph, old: Any, new: Any) -> None:
    old.replace_all_uses_with(new)
    graph.erase_node(old)

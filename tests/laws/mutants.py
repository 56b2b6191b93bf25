"""Every single-node change of a formula that has a type, found by walking the fields of its nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import definition as d
from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.expr.ranks import settle
from probrl.expr.state import ROLES, Cell, Network
from probrl.expr.traversal import children, rebuild, substitute, transform, walk

CHOICES: dict[tuple[type[Expr], str], tuple[str, ...]] = {
    (n.Unary, "op"): n.UNARY,
    (n.Compare, "op"): n.COMPARE,
    (n.Extremum, "op"): ("min", "max"),
    (n.Reduce, "op"): ("sum", "mean", "min", "max"),
    (n.Arg, "op"): ("min", "max"),
    (n.Noise, "law"): ("normal", "uniform", "rademacher", "gumbel"),
    (n.Call, "role"): ROLES,
    (n.Derivative, "op"): (),
}


def mutants(root: Expr) -> Iterator[Expr]:
    """Formulas that differ from one in a single node: everywhere, or where the node occurs first."""
    for node in walk(root, through=visible):
        if isinstance(node, n.Symbol) and node.depth is not None:
            continue  # a bound variable: its name is its recursion's
        for new in changes(node):
            yield from _made(lambda new=new, node=node: substitute(root, {node: new}))
            parents = [p for p in walk(root, through=visible) if node in visible(p)]
            if sum(children(p).count(node) for p in parents) > 1:
                yield from _made(lambda new=new, node=node, parents=parents: _once(root, parents[0], node, new))


def visible(node: Expr) -> tuple[Expr, ...]:
    """The parts that have a meaning of their own: the noise of a draw is its distribution's."""
    return node.args[getattr(node.head, "noises", 0) :] if isinstance(node, n.Definition) else children(node)


def _redrawn(node: Expr) -> Iterator[Expr]:
    """Another draw, and several of them."""
    noises = getattr(node.head, "noises", 0) if isinstance(node, n.Definition) else 0
    for change in ({"uid": 10_000_000}, {"extra": ((Axis("again", data=False), 3),)}) if noises else ():
        parts = list(children(node))
        for i in range(noises):
            values = {f: getattr(parts[i], f) for f in n.Noise.fields} | change
            parts[i] = n.Noise(*({**values, "uid": values["uid"] + i} if "uid" in change else values).values())
        yield from _made(lambda parts=parts: rebuild(node, parts))


def _once(root: Expr, parent: Expr, node: Expr, new: Expr) -> Expr:
    parts = list(children(parent))
    parts[parts.index(node)] = new
    return substitute(root, {parent: rebuild(parent, parts)})


def _made(build: Any) -> Iterator[Expr]:
    try:
        (made,) = settle(build())
        yield made
    except (ExpressionError, KeyError, AttributeError, TypeError, ValueError, AssertionError, IndexError):
        return  # the change has no meaning


def changes(node: Expr) -> Iterator[Expr]:
    """The nodes that differ from one in one field, in the order of its parts, or in a stop-gradient around it."""
    values = [getattr(node, f) for f in node.fields]
    for i, field in enumerate(node.fields):
        if field == "count" and isinstance(node, n.Item) and isinstance(node.x, n.Recursion):
            continue  # it is how many results the recursion has
        for new in _others(node, field, values[i]):
            if new != values[i] or type(new) is not type(values[i]):
                yield from _node(type(node), [*values[:i], new, *values[i + 1 :]])
    for first, second in zip(node.fields, node.fields[1:], strict=False):
        x, y = getattr(node, first), getattr(node, second)
        if isinstance(x, Expr) and isinstance(y, Expr) and x is not y:
            yield from _node(type(node), [{first: y, second: x}.get(f, getattr(node, f)) for f in node.fields])
    for i, field in enumerate(node.fields):
        if isinstance(values[i], tuple) and all(isinstance(v, Expr) for v in values[i]) and field != "states":
            own = getattr(getattr(node, "head", None), "noises", 0)  # the noise of a draw stays in front
            for j in range(own, len(values[i]) - 1):
                order = [*values[i][:j], values[i][j + 1], values[i][j], *values[i][j + 2 :]]
                yield from _node(type(node), [*values[:i], tuple(order), *values[i + 1 :]])
    yield from _redrawn(node)
    yield node.x if isinstance(node, n.StopGradient) else n.StopGradient(node)


def _node(kind: type[Expr], values: list[Any]) -> Iterator[Expr]:
    try:
        yield kind(*values)
    except (ExpressionError, KeyError, AttributeError, TypeError, ValueError, AssertionError, IndexError):
        return


def _others(node: Expr, field: str, value: Any) -> Iterator[Any]:
    """Other values for a field: by what it is, so that a new node is changed without being known here."""
    if (type(node), field) in CHOICES:
        yield from CHOICES[type(node), field]
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield from (value + 1, -value, value * 1.5, float(value)) if field == "value" else (value + 1,)
    elif isinstance(value, str):
        yield from _axes(node) if isinstance(node, n.Reduce) else (f"{value}x", *_axes(node))
    elif isinstance(value, Axis):
        yield from _other_axes(value)
    elif isinstance(value, Cell):
        yield from _other_cells(value)
    elif isinstance(value, Network):
        yield _renamed(value)
    elif isinstance(value, d.Head):
        yield from _other_heads(value)
    elif isinstance(value, tuple) and not any(isinstance(v, Expr) for v in value):
        yield from _other_tuples(node, value)
    elif value is None:
        yield from {"letter": ("c",), "rank": (0, 1, 2), "first": (n.Number(0, None), n.Number(1, None))}.get(field, ())


def _axes(node: Expr) -> Iterator[Any]:
    part = getattr(node, "x", None)
    if isinstance(part, Expr):
        if isinstance(node, n.Reduce):
            yield from ((name,) for name in part.type.names)
            yield from ("event", "data")
        else:
            yield from part.type.names


def _other_axes(axis: Axis) -> Iterator[Axis]:
    yield dataclasses.replace(axis, name=axis.name + "x")
    if axis.open:
        return  # it is its name alone
    yield dataclasses.replace(axis, mask="other" if axis.mask is None else None)
    if axis.mask:
        yield dataclasses.replace(axis, mask=axis.mask + "x")
    yield dataclasses.replace(axis, data=not axis.data)
    yield dataclasses.replace(axis, source=(axis.source or "") + "x")


@cache
def _other_cells(cell: Cell) -> tuple[Cell, ...]:
    changes: list[dict[str, Any]] = [
        {"name": cell.name + "x"}, {"initial": cell.initial + 1}, {"kind": "state"}, {"kind": "progress"},
        {"positive": not cell.positive}, {"bounds": (0.0, 9.0)},
    ]  # fmt: skip
    if cell.kind not in ("parameter", "state"):
        changes = changes[:1]
    return tuple(
        new for c in changes if dataclasses.astuple(new := dataclasses.replace(cell, **c)) != dataclasses.astuple(cell)
    )


@cache
def _renamed(net: Network) -> Network:
    return Network(net.name + "x", net.module, net.owner, pure=net.pure)


def _other_heads(head: d.Head) -> Iterator[d.Head]:
    for field in dataclasses.fields(head):  # type: ignore[arg-type]
        value = getattr(head, field.name)
        if field.name == "role":
            new: tuple[Any, ...] = ROLES
        elif field.name == "op":
            new = ("entropy", "mean", "variance")
        elif isinstance(value, bool):
            new = (not value,)
        elif isinstance(value, str):
            new = (value + "x",)
        elif field.name == "options":
            new = tuple(tuple((k, f"{v}x" if k == key else v) for k, v in value) for key, _ in value)
        elif field.name == "gradient":
            new = ("straight-through",)
        else:
            new = ()
        yield from (dataclasses.replace(head, **{field.name: v}) for v in new if v != value)  # type: ignore[type-var]


def _other_tuples(node: Expr, value: tuple[Any, ...]) -> Iterator[Any]:
    if any(isinstance(v, Axis) for v in value) or isinstance(node, n.Symbol):
        for i, axis in enumerate(value):
            yield from ((*value[:i], other, *value[i + 1 :]) for other in _other_axes(axis))
        yield from ((*value, Axis("extra")), value[1:])
    elif isinstance(node, n.Noise) and all(isinstance(v, tuple) for v in value):
        yield from (tuple((a, size + 1) for a, size in value), (*value, (Axis("extra", data=False), 3)))
    elif isinstance(node, n.Noise):
        yield tuple(v + 1 for v in value)
    elif all(isinstance(v, str) for v in value):
        yield from _axes(node)
        yield value[:1]
    elif all(isinstance(v, int) for v in value):
        yield from ((value[0] + 1, *value[1:]), (*value, 0))


def normal(root: Expr) -> Expr:
    """One formula for all that differ only in the names of draws, and in what is equal on paper and in the machine:
    the association of sums and of products, and where in a pointwise formula it is read ahead."""
    noises = [x for x in walk(root) if isinstance(x, n.Noise)]
    number = {x: i for i, x in enumerate(dict.fromkeys(noises))}
    bare = {x: n.Noise(-1 - i, x.law, x.like, x.extra, x.options) for x, i in number.items()}
    return transform(transform(transform(_renumbered(root, bare), _inwards), _to_the_left), _alone)


def _renumbered(root: Expr, bare: dict[Expr, Expr]) -> Expr:
    """Draws within what another draw is like are renumbered too."""
    done: dict[Expr, Expr] = {}
    for x in walk(root):
        new = rebuild(x, [done[c] for c in children(x)])
        done[x] = n.Noise(bare[x].uid, *(getattr(new, f) for f in x.fields[1:])) if x in bare else new  # type: ignore[attr-defined]
    return done[root]


def _inwards(node: Expr) -> Expr | None:
    """What is read ahead of a pointwise formula is read ahead of its parts; an entry at its own index is the value."""
    if isinstance(node, n.At) and isinstance(node.index, n.Range) and node.index.axis.name == node.axis:
        return node.x if node.index.axis in node.x.type.axes else None
    if not isinstance(node, n.Shift) or node.first is not None or node.offset < 1:
        return None
    x = node.x
    if isinstance(x, n.Shift) and x.first is None and x.axis == node.axis and x.offset > 0:
        return n.Shift(x.x, x.axis, x.offset + node.offset, None)
    if not isinstance(x, (n.Add, n.Mul, n.Pow, n.Unary, n.Extremum, n.Compare, n.Where, n.StopGradient)):
        return None
    ahead = [n.Shift(c, node.axis, node.offset, None) if node.axis in c.type.names else c for c in children(x)]
    inner = [_inwards(c) for c in ahead]
    return rebuild(x, [c if new is None else new for c, new in zip(ahead, inner, strict=True)])


def _to_the_left(node: Expr) -> Expr | None:
    if not isinstance(node, (n.Add, n.Mul)):
        return None
    kind = type(node)
    first, *rest = _operands(node, kind)
    for x in rest:
        first = kind(first, x)
    return first


def _operands(node: Expr, kind: type[Expr]) -> list[Expr]:
    if isinstance(node, kind):
        return [*_operands(node.x, kind), *_operands(node.y, kind)]  # type: ignore[attr-defined]
    return [node]


def _alone(node: Expr) -> Expr | None:
    """One of several results of a recursion, without the others."""
    if not isinstance(node, n.Item) or not isinstance(node.x, n.Recursion):
        return None
    x = node.x
    return n.Item(n.Recursion(x.states, x.steps, (x.outputs[node.index],), x.inits, x.axis, x.reverse), 0, node.count)

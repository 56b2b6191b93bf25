"""The type of every node: the rules that refuse a meaningless formula while it is composed."""

from __future__ import annotations

from functools import singledispatch

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis, batch_of, index_axis
from probrl.expr.base import Expr, install_inference
from probrl.expr.types import Type, describe, join, pointwise


@singledispatch
def infer(node: Expr) -> Type:
    """The type of a node from those of its children.

    Errors:
        ExpressionError: when the formula has no meaning; the message prints it and says what to write.
    """
    raise NotImplementedError(type(node).__name__)


def _axis_of(node: Expr, x: Expr, name: str, verb: str) -> Axis:
    try:
        return x.type.axis(name)
    except KeyError:
        have = ", ".join(f"'{a}'" for a in x.type.names) or "none"
        raise ExpressionError(
            f"{describe(x)} has no axis '{name}' to {verb} (it has {have}); was it reduced already?"
        ) from None


@infer.register
def _(node: n.Symbol) -> Type:
    return Type(node.axes, node.rank)


@infer.register(n.Number)
@infer.register(n.State)
def _(node: Expr) -> Type:
    return Type((), 0)


@infer.register
def _(node: n.Noise) -> Type:
    base = node.like.type if node.like is not None else Type((), 0)
    extra = tuple(a for a, _ in node.extra)
    for axis in extra:
        if axis.name in base.names:
            raise ExpressionError(
                f"a draw adds the axis '{axis.name}', which {describe(node if node.like is None else node.like)} has already; name another"
            )
    return Type((*base.axes, *extra), base.rank)


@infer.register
def _(node: n.Range) -> Type:
    return Type((node.axis,), 0)


@infer.register(n.Add)
@infer.register(n.Extremum)
@infer.register(n.Compare)
def _(node: n.Add) -> Type:
    return pointwise(node, node.x, node.y)


@infer.register
def _(node: n.Mul) -> Type:
    return pointwise(node, node.x, node.y, scaling=True)


@infer.register
def _(node: n.Pow) -> Type:
    if node.y.type.rank == 0 and node.y.type.axes and not node.x.type.rank:
        return pointwise(node, node.x, node.y)
    return pointwise(node, node.x, node.y, scaling=True)


@infer.register
def _(node: n.Unary) -> Type:
    return node.x.type


@infer.register
def _(node: n.Where) -> Type:
    branches = pointwise(node, node.x, node.y)
    condition = node.condition.type
    if condition.rank and branches.rank == 0:
        raise ExpressionError(f"{describe(node)}: the condition is a {condition} and the branches are a {branches}")
    return Type(join(node, [branches, condition]), branches.rank)


@infer.register
def _(node: n.Reduce) -> Type:
    t = node.x.type
    if node.over == "event":
        return Type(t.axes, 0)
    if node.over == "data":
        if t.index:
            names = ", ".join(f"'{a.name}'" for a in t.index)
            raise ExpressionError(
                f"{describe(node.x)} still has the index axis {names}: reduce it by name before pr.{node.op}, "
                f"as in x.{'mean' if node.op == 'mean' else 'sum'}('{t.index[0].name}')"
            )
        if not t.data:
            raise ExpressionError(
                f"{describe(node.x)} has no data axis left: pr.{node.op} over the data was taken already"
            )
        _masks_are_there(node)
        return Type((), t.rank)
    for name in node.over:
        _axis_of(node, node.x, name, f"take the {node.op} over")
    _masks_are_there(node)
    return Type(tuple(a for a in t.axes if a.name not in node.over), t.rank)


def _masks_are_there(node: n.Reduce) -> None:
    """Refuses a reduction of rows that count by a mask which differs along an axis that has been reduced before."""
    for axis in node.counted:
        batch = batch_of(axis.source).name
        if batch not in node.x.type.names:
            raise ExpressionError(
                f"{describe(node.x)} has '{axis.name}' and no longer '{batch}', along which the mask '{axis.mask}' differs: "
                f"reduce '{axis.name}' first, or both at once, as in x.{node.op}('{batch}', '{axis.name}')"
            )


@infer.register
def _(node: n.Arg) -> Type:
    _axis_of(node, node.x, node.axis, f"take the arg{node.op} over")
    for owner in n.counting(node.x, (node.axis,)):
        raise ExpressionError(
            f"the arg{node.op} of {describe(node.x)} along '{node.axis}' would be among rows that the mask '{owner.mask}' "
            f"leaves out: x.{node.op}('{node.axis}') minds it, and pr.equal(x, x.{node.op}('{node.axis}')) marks where it is"
        )
    return Type(tuple(a for a in node.x.type.axes if a.name != node.axis), 0)


@infer.register
def _(node: n.At) -> Type:
    _axis_of(node, node.x, node.axis, "index")
    if node.index.type.rank:
        raise ExpressionError(f"{describe(node.index)} is a {node.index.type}: an index is a scalar")
    kept = Type(tuple(a for a in node.x.type.axes if a.name != node.axis), node.x.type.rank)
    return Type(join(node, [kept, node.index.type]), kept.rank)


@infer.register
def _(node: n.Rename) -> Type:
    t = node.x.type
    if node.source is None:  # event -> axis
        assert node.target is not None
        if t.rank == 0:
            raise ExpressionError(
                f"{describe(node.x)} is a {t}: it has no event dimension to turn into the axis '{node.target}'"
            )
        _fresh(node, node.target)
        return Type((*t.axes, index_axis(node.target)), None if t.rank is None else t.rank - 1)
    axis = _axis_of(node, node.x, node.source, "rename")
    if node.target is None:  # axis -> event
        if axis.data:
            raise ExpressionError(
                f"{describe(node.x)}: '{axis.name}' is an axis of the data and cannot become part of the event"
            )
        return Type(tuple(a for a in t.axes if a != axis), None if t.rank is None else t.rank + 1)
    _fresh(node, node.target)
    return Type(tuple(index_axis(node.target) if a == axis else a for a in t.axes), t.rank)


def _fresh(node: n.Rename, name: str) -> None:
    if name in node.x.type.names:
        raise ExpressionError(f"{describe(node.x)} has the axis '{name}' already: choose another name")


@infer.register
def _(node: n.Shift) -> Type:
    axis = _axis_of(node, node.x, node.axis, "shift along")
    if node.offset > 0 and axis.mask is None:
        raise ExpressionError(
            f"pr.next({describe(node.x)}): the last row along '{axis.name}' has no next, and nothing says where episodes end; "
            f"declare the mask: pr.Axis('{axis.name}', mask='valid')"
        )
    if node.first is None:
        return node.x.type
    rank = pointwise(node, node.x, node.first).rank
    return Type(node.x.type.axes, rank)


@infer.register
def _(node: n.Join) -> Type:
    if node.axis is None:
        ranks = {i.type.rank for i in node.items}
        if not ranks <= {0, 1, None}:
            raise ExpressionError(f"{describe(node)}: only scalars and vectors join into one event")
        return Type(join(node, [i.type for i in node.items]), 1)
    t = pointwise(node, *node.items)
    if node.axis.name in t.names:
        raise ExpressionError(f"{describe(node)}: the axis '{node.axis.name}' is there already; name another")
    return Type((*t.axes, node.axis), t.rank)


@infer.register
def _(node: n.Call) -> Type:
    axes = join(node, [a.type for a in node.args])
    for lead in node.lead:
        if any(lead.name == a.name for a in axes):
            raise ExpressionError(
                f"{describe(node)}: an argument has the axis '{lead.name}', which is that of the ensemble's members; "
                f"rename it first: x.rename({lead.name}='j')"
            )
    return Type((*node.lead, *axes), node.rank if isinstance(node.rank, int) else None)


@infer.register
def _(node: n.Item) -> Type:
    if isinstance(node.x, n.Call):
        rank = node.x.rank if isinstance(node.x.rank, int) else node.x.rank[node.index]
        return Type(node.x.type.axes, rank)
    if isinstance(node.x, n.Recursion):
        return _recursion_type(node.x, node.index)
    return node.x.type


@infer.register
def _(node: n.StopGradient) -> Type:
    return node.x.type


@infer.register
def _(node: n.Derivative) -> Type:
    if node.op == "jvp":
        for x, v in zip(node.wrt, node.tangents, strict=True):
            known = None not in (x.type.rank, v.type.rank)
            if known and v.type.rank != x.type.rank and (v.type.rank or v.type.axes):
                raise ExpressionError(
                    f"pr.jvp: {describe(x)} is a {x.type} and its tangent {describe(v)} a {v.type}; "
                    "a tangent has the shape of what it is a direction of"
                )
        return Type(join(node, [node.y.type, *(v.type for v in node.tangents)]), node.y.type.rank)
    (x,) = node.wrt
    if node.y.type.rank:
        raise ExpressionError(
            f"pr.grad({describe(node.y)}, ...): a gradient is of a scalar per row, and this is a {node.y.type}; "
            "write pr.dot(y, v), or pr.jvp for a directional derivative"
        )
    if not node.y.type.axes and x.type.axes:
        raise ExpressionError(
            f"pr.grad({describe(node.y)}, ...): the rows were reduced already; a gradient is per row, so leave out the mean"
        )
    extra = [a for a in node.y.type.axes if a.name not in x.type.names]
    if extra:
        raise ExpressionError(
            f"pr.grad({describe(node.y)}, ...): the axis '{extra[0].name}' is not one of {describe(x)}; reduce it by name first"
        )
    return x.type


def _recursion_type(node: n.Recursion, index: int) -> Type:
    return node.outputs[index].type


@infer.register
def _(node: n.Recursion) -> Type:
    return _recursion_type(node, 0)


@infer.register
def _(node: n.Definition) -> Type:
    return node.body.type


install_inference(infer)

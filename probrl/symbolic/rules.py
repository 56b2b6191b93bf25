"""One rule per node: what it is in sympy. The closed question "how does it read as algebra"."""

from __future__ import annotations

from fractions import Fraction
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import sympy

from probrl.expr import nodes as n
from probrl.expr.axes import Axis, batch_of
from probrl.expr.base import Expr

if TYPE_CHECKING:
    from probrl.symbolic.formulas import Reading

_DRAWS = {"normal": "epsilon", "uniform": "u", "gumbel": "g", "rademacher": "xi", "subset": "j"}


def number(value: int | float) -> Any:
    """A number, exact where a short binary fraction says what was meant."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 2**53):
        return sympy.Integer(int(value))
    exact = Fraction(value)
    return sympy.Rational(exact.numerator, exact.denominator) if exact.denominator <= 64 else sympy.Float(value, 17)


@singledispatch
def translate(node: Expr, to: Reading) -> Any:
    """The sympy expression of a node, from those of its children, which ``to`` reads."""
    raise NotImplementedError(type(node).__name__)


# --- leaves ----------------------------------------------------------------------------------------------------
@translate.register(n.Symbol)
def _(node: n.Symbol, to: Reading) -> Any:
    meaning = (node.name, node.depth, node.axes)
    return to.leaf(sympy.Symbol(to.name(node.name, meaning), real=True), node)


@translate.register(n.Number)
def _(node: n.Number, to: Reading) -> Any:
    if node.letter is None:
        return number(node.value)
    sign = {"positive": True} if node.value > 0 else {"negative": True} if node.value < 0 else {}
    return to.leaf(sympy.Symbol(to.name(node.letter, node), real=True, **sign), node)


@translate.register(n.State)
def _(node: n.State, to: Reading) -> Any:
    positive = {"positive": True} if node.cell.positive else {}
    return to.leaf(sympy.Symbol(to.name(node.cell.name, node), real=True, **positive), node)


@translate.register(n.Noise)
def _(node: n.Noise, to: Reading) -> Any:
    return to.leaf(sympy.Symbol(to.name(_DRAWS.get(node.law, "epsilon"), node), real=True), node)


@translate.register(n.Range)
def _(node: n.Range, to: Reading) -> Any:
    if node.of is not None:
        return to.structure(f"index_{node.axis.name}", node, node.of)
    return to.leaf(sympy.Symbol(to.name(node.axis.name, node), integer=True, nonnegative=True), node)


# --- one element at a time -------------------------------------------------------------------------------------
@translate.register(n.Add)
def _(node: n.Add, to: Reading) -> Any:
    return to.of(node.x) + to.of(node.y)


@translate.register(n.Mul)
def _(node: n.Mul, to: Reading) -> Any:
    return to.of(node.x) * to.of(node.y)


@translate.register(n.Pow)
def _(node: n.Pow, to: Reading) -> Any:
    return to.of(node.x) ** to.of(node.y)


@translate.register(n.Unary)
def _(node: n.Unary, to: Reading) -> Any:
    return _UNARY[node.op](to.of(node.x))


@translate.register(n.Extremum)
def _(node: n.Extremum, to: Reading) -> Any:
    kind, x, y = sympy.Min if node.op == "min" else sympy.Max, to.of(node.x), to.of(node.y)
    # sympy's own search for the lesser of two formulas takes longer than everything else; simplify still does it
    return x if x == y else kind(x, y, evaluate=x.is_number and y.is_number)


@translate.register(n.Compare)
def _(node: n.Compare, to: Reading) -> Any:
    relation = _relation(node, to)
    if relation.has(sympy.Piecewise):
        return to.structure(f"indicator_{node.op}", node, node.x, node.y)
    return sympy.Piecewise((1, relation), (0, True))


@translate.register(n.Where)
def _(node: n.Where, to: Reading) -> Any:
    condition = node.condition
    relation = _relation(condition, to) if isinstance(condition, n.Compare) else sympy.Ne(to.of(condition), 0)
    if relation.has(sympy.Piecewise):
        return to.structure("where", node, condition, node.x, node.y)
    return sympy.Piecewise((to.of(node.x), relation), (to.of(node.y), True))


def _relation(node: n.Compare, to: Reading) -> Any:
    # A condition with cases inside becomes a function: sympy would pull the cases out of reductions, which is wrong.
    return _COMPARE[node.op](to.of(node.x), to.of(node.y))


_UNARY = {
    "exp": sympy.exp,
    "log": sympy.log,
    "tanh": sympy.tanh,
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "atan": sympy.atan,
    "abs": sympy.Abs,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "floor": sympy.floor,
    "sign": sympy.sign,
    "lgamma": sympy.loggamma,
    "digamma": sympy.digamma,
}
_COMPARE = {"lt": sympy.Lt, "le": sympy.Le, "gt": sympy.Gt, "ge": sympy.Ge, "eq": sympy.Eq, "ne": sympy.Ne}


# --- axes ------------------------------------------------------------------------------------------------------
@translate.register(n.Reduce)
def _(node: n.Reduce, to: Reading) -> Any:
    kind = "linear" if node.op in ("sum", "mean") else "opaque"
    if node.over == "event":
        return to.structure(f"{node.op}_event", node, node.x, kind=kind)
    name = node.op if node.over == "data" else "_".join((node.op, *node.over))
    return to.structure(name, node, node.x, *(mask(a) for a in node.counted), kind=kind)


def reduced(node: n.Reduce) -> tuple[Axis, ...]:
    """The axes that a reduction over the data or over named axes takes away."""
    return tuple(a for a in node.x.type.axes if (a.data if node.over == "data" else a.name in node.over))


def mask(axis: Axis) -> n.Symbol:
    """The column that says which rows along an axis count."""
    assert axis.mask is not None
    batch = batch_of(axis.source)
    return n.Symbol(axis.mask, 0, (axis,) if axis.name == batch.name else (batch, axis), None)


@translate.register(n.Arg)
def _(node: n.Arg, to: Reading) -> Any:
    return to.structure(f"arg{node.op}_{node.axis}", node, node.x)


@translate.register(n.At)
def _(node: n.At, to: Reading) -> Any:
    return to.structure(f"at_{node.axis}", node, node.x, node.index)


@translate.register(n.Rename)
def _(node: n.Rename, to: Reading) -> Any:
    return to.structure(f"move_{node.source or 'event'}_to_{node.target or 'event'}", node, node.x)


@translate.register(n.Shift)
def _(node: n.Shift, to: Reading) -> Any:
    if node.offset > 0:
        return to.structure(f"next_{node.axis}", node, node.x)
    axis = node.x.type.axis(node.axis)
    masks = (mask(axis),) if axis.mask else ()
    first = n.Number(0, None) if node.first is None else node.first
    return to.structure(f"prev_{node.axis}", node, node.x, first, *masks)


@translate.register(n.Join)
def _(node: n.Join, to: Reading) -> Any:
    return to.structure("join" if node.axis is None else f"stack_{node.axis.name}", node, *node.items)


# --- structure -------------------------------------------------------------------------------------------------
@translate.register(n.Call)
def _(node: n.Call, to: Reading) -> Any:
    return to.opaque(_called(node), (node.net, node.role, None), node, *node.args)


def _called(node: n.Call) -> str:
    return node.net.name if node.role == "live" else f"{node.net.name}_{node.role}"


@translate.register(n.Item)
def _(node: n.Item, to: Reading) -> Any:
    if isinstance(node.x, n.Call):
        meaning = (node.x.net, node.x.role, node.index)
        return to.opaque(f"{_called(node.x)}_{node.index}", meaning, node, *node.x.args)
    assert isinstance(node.x, n.Recursion)
    return _recursion(node.x, node, node.index, to)


@translate.register(n.StopGradient)
def _(node: n.StopGradient, to: Reading) -> Any:
    return to.structure("stop_gradient", node, node.x, kind="held")


@translate.register(n.Derivative)
def _(node: n.Derivative, to: Reading) -> Any:
    return to.opaque(node.op, node, node, node.y, *node.wrt, *node.tangents)


@translate.register(n.Recursion)
def _(node: n.Recursion, to: Reading) -> Any:
    return _recursion(node, node, 0, to)


def _recursion(recursion: n.Recursion, node: Expr, index: int, to: Reading) -> Any:
    return to.opaque(
        f"recursion_{recursion.axis}", (recursion, index), node, recursion.outputs[index], *recursion.inits
    )


@translate.register(n.Definition)
def _(node: n.Definition, to: Reading) -> Any:
    return to.of(node.body)

"""Derivatives of formulas by formulas: gradients, directional derivatives, divergences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.definition import definition
from probrl.expr.operators import dot, equal, fresh_noise, lift, to_axis, to_event
from probrl.expr.traversal import depends, everything, substitute, walk


def grad(y: Any, x: Any) -> Expr:
    """The gradient, row by row, of a scalar by a node that occurs in it; the node counts as an independent variable.

    Errors:
        ExpressionError: when y is a vector, has lost its rows, or does not contain x.

    Example:
        >>> import torch, probrl as pr
        >>> z = pr.symbols("z", rank=1)
        >>> g = pr.grad(pr.sqnorm(z), z)
        >>> print(g.text(legend=False))
        ∇_z[‖z‖²]
        >>> g({"z": torch.tensor([[3.0, 4.0]])})
        tensor([[6., 8.]])
    """
    y, x = lift(y), lift(x)
    _occurs(y, x, "pr.grad")
    y, (x,) = _cut(y, (x,))
    return n.Derivative("grad", y, (x,), ())


def jvp(y: Any, tangents: Mapping[Any, Any]) -> Expr:
    """The derivative of y along a tangent for each named node; these nodes count as independent variables.

    Errors:
        ExpressionError: when a node does not occur in y, or when one named node depends on another and a node between
            them is not named.

    Example:
        >>> import torch, probrl as pr
        >>> x, y = pr.symbols("x y")
        >>> d = pr.jvp(x**2 * y, {x: 1, y: 0})
        >>> print(d)
        D[x² y](x ↦ 1, y ↦ 0)
        >>> d({"x": torch.tensor([3.0]), "y": torch.tensor([2.0])})
        tensor([12.])
    """
    y = lift(y)
    wrt, along = tuple(map(lift, tangents)), tuple(map(lift, tangents.values()))
    if not wrt:
        raise ExpressionError("pr.jvp(y, {x: v}): name at least one node and its tangent")
    for x in wrt:
        _occurs(y, x, "pr.jvp")
    _independent(y, wrt)
    y, wrt = _cut(y, wrt)
    return n.Derivative("jvp", y, wrt, along)


def _cut(y: Expr, wrt: tuple[Expr, ...]) -> tuple[Expr, tuple[Expr, ...]]:
    """The named nodes as values that nothing in y looks behind: a density of a draw may use what the draw is made of."""
    cuts = tuple(x.head.cut(x) if isinstance(x, n.Definition) else x for x in wrt)
    moved = {x: z for x, z in zip(wrt, cuts, strict=True) if z is not x}
    return (substitute(y, moved) if moved else y), cuts


def _occurs(y: Expr, x: Expr, verb: str) -> None:
    if not depends(y, x):
        raise ExpressionError(
            f"{verb}({show(y)}, {show(x)}): the second does not occur in the first, so the derivative would be zero"
        )


def _independent(y: Expr, wrt: tuple[Expr, ...]) -> None:
    for call in walk(y, through=everything):
        if isinstance(call, n.Call):
            named = [a for a in call.args if a in wrt]
            for a in call.args:
                other = next((x for x in wrt if named and a not in wrt and depends(a, x)), None)
                if other is not None:
                    raise ExpressionError(
                        f"pr.jvp: {show(call)} has the argument {show(a)}, which depends on {show(other)}, a named node, but is "
                        f"not named itself; name it too: {{..., {show(a)}: its tangent}}"
                    )


@definition("div")
def _divergence(v: Expr, x: Expr) -> Expr:
    coordinates = to_axis(x, "d")
    basis = to_event(
        equal(n.Range(coordinates.type.axis("d"), coordinates), n.Range(_other(coordinates), to_axis(x, "d'"))), "d'"
    )
    return dot(basis, jvp(v, {x: basis})).sum("d")


def _other(coordinates: Expr) -> Any:
    from probrl.expr.axes import index_axis

    return index_axis("d'")


@definition("hutchinson")
def _hutchinson(v: Expr, x: Expr, probe: Expr) -> Expr:
    return dot(probe, jvp(v, {x: probe}))


def divergence(v: Any, x: Any, probes: int = 0) -> Expr:
    """The divergence of a vector by a vector: the trace of the Jacobian, exact or by Hutchinson's estimator.

    Args:
        v: the vector field's value, an expression of rank 1.
        x: the node of rank 1 that it is a function of.
        probes: 0 for the exact trace, else the number of Rademacher probes.

    Example:
        >>> import torch, probrl as pr
        >>> z = pr.symbols("z", rank=1)
        >>> div = pr.divergence(3 * z, z)
        >>> print(div.text(legend=False))
        div(3 z, z)
        >>> div({"z": torch.zeros(1, 2)})
        tensor([6.])
    """
    v, x = lift(v), lift(x)
    if v.type.rank != 1 or x.type.rank != 1:
        raise ExpressionError(
            f"pr.divergence({show(v)}, {show(x)}): both must be vectors; they are {v.type} and {x.type}"
        )
    if not probes:
        return _divergence(v, x)
    from probrl.expr.axes import index_axis

    probe = fresh_noise("rademacher", x, ((index_axis("probe"), probes),))
    return _hutchinson(v, x, probe).mean("probe")

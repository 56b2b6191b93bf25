"""Reductions over the data, over events and over index axes, and what is defined by them."""

from __future__ import annotations

from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.definition import FunctionHead, definition
from probrl.expr.lifting import lift
from probrl.expr.pointwise import exp, log, sqrt


def mean(x: Any) -> Expr:
    """The mean over all data axes, masked rows left out: sum m x / sum m.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> print(pr.mean(x**2))
        mean_𝒟[x²]
        >>> pr.mean(x**2)({"x": torch.tensor([1.0, 2.0, 4.0])})
        tensor(7.)
    """
    return n.Reduce("mean", lift(x), "data")


def sum(x: Any) -> Expr:
    """The sum over all data axes, masked rows left out.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> print(pr.sum(x))
        Σ_𝒟[x]
        >>> pr.sum(x)({"x": torch.tensor([1.0, 2.0, 4.0])})
        tensor(7.)
    """
    return n.Reduce("sum", lift(x), "data")


def data_min(x: Any) -> Expr:
    """The least value over all data axes, masked rows left out.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> print(pr.data_min(x))
        min_𝒟[x]
        >>> pr.data_min(x)({"x": torch.tensor([1.0, 2.0, 4.0])})
        tensor(1.)
    """
    return n.Reduce("min", lift(x), "data")


def data_max(x: Any) -> Expr:
    """The greatest value over all data axes, masked rows left out.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> print(x / pr.data_max(x))
        x / max_𝒟[x]
        >>> (x / pr.data_max(x))({"x": torch.tensor([1.0, 2.0, 4.0])})
        tensor([0.2500, 0.5000, 1.0000])
    """
    return n.Reduce("max", lift(x), "data")


@definition("std")
def std(x: Any) -> Expr:
    """The population standard deviation over all data axes.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> print(pr.std(x))
        std_𝒟(x)
        >>> pr.std(x)({"x": torch.tensor([1.0, 3.0])})
        tensor(1.)
    """
    return sqrt(mean((x - mean(x)) ** 2))


@definition("var")
def var(x: Any) -> Expr:
    """The population variance over all data axes.

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> print(pr.var(x).text(expand=True))
        mean_𝒟[(x - mean_𝒟[x])²]
        >>> pr.var(x)({"x": torch.tensor([1.0, 5.0])})
        tensor(4.)
    """
    return mean((x - mean(x)) ** 2)


@definition("standardize")
def standardize(x: Any) -> Expr:
    """(x - mean x) / (std x + 1e-8), over all data axes (the minibatch in a Minimize), population std.

    Example:
        >>> import torch, probrl as pr
        >>> A = pr.symbols("A")
        >>> print(pr.standardize(A))
        standardize_𝒟(A)
        >>> pr.standardize(A)({"A": torch.tensor([1.0, 2.0, 3.0])})
        tensor([-1.2247,  0.0000,  1.2247])
    """
    return (x - mean(x)) / (std(x) + 1e-8)


def sum_event(x: Any) -> Expr:
    """The sum over the coordinates of an event.

    Example:
        >>> import torch, probrl as pr
        >>> z = pr.symbols("z", rank=1)
        >>> pr.sum_event(z)({"z": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})
        tensor([3., 7.])
    """
    return n.Reduce("sum", lift(x), "event")


@definition("sqnorm")
def sqnorm(x: Any) -> Expr:
    """The squared Euclidean norm of an event: the sum of the squares of its coordinates.

    Example:
        >>> import torch, probrl as pr
        >>> z = pr.symbols("z", rank=1)
        >>> print(pr.sqnorm(z).text(legend=False))
        ‖z‖²
        >>> pr.sqnorm(z)({"z": torch.tensor([[3.0, 4.0]])})
        tensor([25.])
    """
    return sum_event(x**2)


@definition("dot")
def dot(x: Any, y: Any) -> Expr:
    """The inner product of two events.

    Example:
        >>> import torch, probrl as pr
        >>> u, v = pr.symbols("u v", rank=1)
        >>> print(pr.dot(u, v).text(legend=False))
        ⟨u, v⟩
        >>> pr.dot(u, v)({"u": torch.tensor([[1.0, 2.0]]), "v": torch.tensor([[3.0, 4.0]])})
        tensor([11.])
    """
    return sum_event(x * y)


def reduce_index(op: str, x: Expr, axes: tuple[str, ...]) -> Expr:
    """A reduction over index axes, by name; without a name there must be just one."""
    return n.Reduce(op, x, axes or (only_index(x, op),))


def only_index(x: Expr, verb: str) -> str:
    """The name of the one index axis of an expression.

    Errors:
        ExpressionError: when it has none, or several.
    """
    index = x.type.index
    if len(index) == 1:
        return index[0].name
    if not index:
        data = f"pr.data_{verb}(x)" if verb in ("min", "max") else f"pr.{verb}(x)"
        hint = (
            f"over the data it is {data}, over an event pr.sum_event(x)"
            if verb in ("sum", "mean", "min", "max")
            else ("turn the coordinates into one with x.to_axis('i')")
        )
        raise ExpressionError(f"{show(x)} has no index axis for {verb}; {hint}")
    names = ", ".join(f"'{a.name}'" for a in index)
    raise ExpressionError(
        f"{show(x)} has the index axes {names}: name the one you mean, as in .{verb}('{index[0].name}')"
    )


def _over(x: Any, axis: str | None, name: str, function: Any) -> Expr:
    x = lift(x)
    return n.Definition(FunctionHead(name, function, (("axis", axis or only_index(x, name)),)), (x,))


def _logsumexp(x: Expr, *, axis: str) -> Expr:
    shift = n.StopGradient(n.Reduce("max", x, (axis,)))
    return log(n.Reduce("sum", exp(x - shift), (axis,))) + shift


def _log_softmax(x: Expr, *, axis: str) -> Expr:
    return x - logsumexp(x, axis)


def _softmax(x: Expr, *, axis: str) -> Expr:
    return exp(log_softmax(x, axis))


def logsumexp(x: Any, axis: str | None = None) -> Expr:
    """log of the sum of exponentials along an index axis.

    Example:
        >>> import torch, probrl as pr
        >>> z = pr.symbols("z", rank=1)
        >>> pr.logsumexp(z.to_axis("k"))({"z": torch.tensor([[1000.0, 1000.0]])})
        tensor([1000.6932])
    """
    return _over(x, axis, "logsumexp", _logsumexp)


def log_softmax(x: Any, axis: str | None = None) -> Expr:
    """x - logsumexp(x) along an index axis.

    Example:
        >>> import torch, probrl as pr
        >>> z = pr.symbols("z", rank=1)
        >>> pr.log_softmax(z.to_axis("k"))({"z": torch.tensor([[0.0, 1000.0]])})
        tensor([[-1000.,     0.]])
    """
    return _over(x, axis, "log_softmax", _log_softmax)


def softmax(x: Any, axis: str | None = None) -> Expr:
    """exp(x) / sum exp(x) along an index axis.

    Example:
        >>> import torch, probrl as pr
        >>> z = pr.symbols("z", rank=1)
        >>> p = pr.softmax(z.to_axis("k"))
        >>> print(p.text(legend=False))
        softmax_k(z_k)
        >>> p({"z": torch.tensor([[0.0, 0.0, 1.0]])})
        tensor([[0.2119, 0.2119, 0.5761]])
    """
    return _over(x, axis, "softmax", _softmax)

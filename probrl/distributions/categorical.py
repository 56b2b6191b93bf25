"""One of several classes, as an integer or as a one-hot vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from probrl.distributions.applied import Applied
from probrl.distributions.base import Distribution
from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr, show
from probrl.expr.operators import equal, exp, log_softmax, maximum, softmax, stop_gradient, to_axis, where

NEVER = -1e4  # the least log-probability that is multiplied: exp of it is 0 in every precision, and 0 times it is 0


class Discrete(Distribution):
    """What distributions over classes have in common: logits along an index axis."""

    keys = ("logits",)
    law = "gumbel"
    reparameterised = False
    default_rank = 0
    axis: str

    @property
    def raw_rank(self) -> int:
        return 1

    def from_network(self, raw: Any) -> dict[str, Expr]:
        logits = raw if any(a.name == self.axis for a in raw.type.axes) else to_axis(raw, self.axis)
        return {"logits": logits}

    def column(self, key: str, name: str, axes: tuple[Axis, ...]) -> Expr:
        return to_axis(n.Symbol(name, 1, axes, None), self.axis)

    def parameter_rank(self, key: str) -> int:
        """The event dimensions of a parameter as a tensor: the classes lie along the last."""
        return 1

    def entropy_of(self, logits: Expr) -> Expr:
        """H = -sum_k p_k log p_k."""
        return surprise(logits, self.axis)

    def divergence(self, p: dict[str, Expr], q: dict[str, Expr]) -> Expr:
        """KL = sum_k p_k (log p_k - log q_k)."""
        theirs = next((a.name for a in q["logits"].type.index if a.name not in p["logits"].type.names), self.axis)
        other = q["logits"] if theirs == self.axis else q["logits"].rename(**{theirs: self.axis})
        return excess(p["logits"], other, self.axis)

    def classes(self, logits: Expr) -> Expr:
        """0, 1, 2, ... along the classes."""
        return n.Range(logits.type.axis(self.axis), logits)


def surprise(logits: Expr, axis: str) -> Expr:
    """-sum_k p_k log p_k, where a class of logit -inf (one that is masked) adds nothing."""
    log_p = maximum(log_softmax(logits, axis), NEVER)
    return -(exp(log_p) * log_p).sum(axis)


def excess(logits: Expr, others: Expr, axis: str) -> Expr:
    """sum_k p_k (log p_k - log q_k), where a class that p never gives adds nothing, whatever q says of it."""
    log_p, log_q = maximum(log_softmax(logits, axis), NEVER), log_softmax(others, axis)
    return (exp(log_p) * (log_p - where(log_p > NEVER, log_q, log_p))).sum(axis)


class Categorical(Discrete):
    r"""One of K classes, as an integer.

    .. math:: p(a = k \mid s) = \frac{\exp l_k(s)}{\sum_j \exp l_j(s)}

    Args:
        declaration: ``"a | s"``; the classes lie along an index axis called after the variable.
        network: puts out one logit per class along its last dimension.
        logits: in place of a network, an expression with the index axis ``axis``.
        axis: the name of the classes' axis.

    Shapes:
        A value is an integer per row, ``(batch,)``; a symbol declared with ``rank=1`` is taken as a one-hot vector.

    Errors:
        ExpressionError when composed wrongly; DataError when one-hot data is handed to integers or the reverse.

    Example:
        >>> import probrl as pr
        >>> pi = pr.Categorical("a | s", pr.mlp(4, 64, 2), name=r"\pi_\theta")
        >>> s, a = pr.symbols("s a")
        >>> loss = pr.mean(-pi(s).log_prob(a))
    """

    family = "Categorical"
    support = "classes"
    distribution_torch_class = torch.distributions.Categorical

    def __init__(
        self,
        declaration: str | None = None,
        network: Any = None,
        *,
        logits: Any = None,
        axis: str | None = None,
        name: str | None = None,
        **options: Any,
    ):
        if declaration is None and axis is not None:
            declaration = axis
        super().__init__(declaration, network, name=name, given={"logits": logits}, **options)
        self.axis = axis or self.variable
        if self.given and not any(a.name == self.axis for a in self.given[0].type.index):
            raise ExpressionError(
                f"pr.Categorical(logits={show(self.given[0])}): say along which index axis its classes lie, as "
                "in axis='k'"
            )

    def log_density(self, x: Expr, *, logits: Expr) -> Expr:  # type: ignore[override]
        """log p(a) = log softmax(l)_a."""
        log_p = log_softmax(logits, self.axis)
        if isinstance(x, n.Range) and x.axis.name == self.axis:
            return log_p
        if x.type.rank == 1:
            return (to_axis(x, self.axis) * log_p).sum(self.axis)
        return n.At(log_p, self.axis, x)

    def mode_of(self, logits: Expr) -> Expr:
        """The class of the greatest logit."""
        return logits.argmax(self.axis)

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """argmax_k (l_k + g_k) with Gumbel noise."""
        return (parameters["logits"] + noises[0]).argmax(self.axis)

    def accepts(self, value: Expr, rank: int, applied: Applied) -> None:
        if value.type.rank != 1:
            super().accepts(value, rank, applied)

    def get_log_prob(self, x_dict: Any, *args: Any, **kwargs: Any) -> Tensor:
        """The logarithm of the probability of integer or one-hot classes: pixyz's users write either."""
        value = x_dict.get(self.variable)
        if isinstance(value, Tensor) and self.role != "behavior":
            logits = self.get_params(x_dict)["logits"]
            if value.is_floating_point() and value.dim() == logits.dim() and value.shape[-1] == logits.shape[-1]:
                return self.formula("log_density", {"logits": logits}, (value.argmax(-1),))
            if value.is_floating_point():
                raise DataError(
                    f"{self.notation} distributes classes: '{self.variable}' is of {value.dtype}; give "
                    "integers, or one-hot rows"
                )
        return super().get_log_prob(x_dict, *args, **kwargs)


class OneHot(Discrete):
    r"""One of K classes, as a one-hot vector.

    .. math:: \log p(a \mid s) = \sum_k a_k \log \mathrm{softmax}(l(s))_k

    A draw has the index axis ``class`` (``draw.to_event("class")`` makes it a vector); a column is a vector.
    With ``gradient="straight-through"`` the gradient of a draw is that of its probabilities.

    Source:
        Bengio, Leonard, Courville, "Estimating or propagating gradients through stochastic neurons", 2013.

    Example:
        >>> import probrl as pr
        >>> q = pr.OneHot("z | h", pr.mlp(8, 4))
        >>> z = q(pr.symbols("h")).draw(gradient="straight-through").to_event("class")
    """

    family = "OneHot"
    support = "one-hot vectors"
    distribution_torch_class = torch.distributions.OneHotCategorical
    axis = "class"

    def __init__(
        self,
        declaration: str | None = None,
        network: Any = None,
        *,
        logits: Any = None,
        name: str | None = None,
        **options: Any,
    ):
        super().__init__(declaration, network, name=name, given={"logits": logits}, rank=1, **options)

    def log_density(self, x: Expr, *, logits: Expr) -> Expr:  # type: ignore[override]
        """sum_k a_k log softmax(l)_k."""
        hot = x if any(a.name == self.axis for a in x.type.axes) else to_axis(x, self.axis)
        return (hot * maximum(log_softmax(logits, self.axis), NEVER)).sum(self.axis)

    def accepts(self, value: Expr, rank: int, applied: Applied) -> None:
        if not any(a.name == self.axis for a in value.type.axes):
            super().accepts(value, rank, applied)

    def mean_of(self, logits: Expr) -> Expr:
        """The probabilities."""
        return softmax(logits, self.axis)

    def variance_of(self, logits: Expr) -> Expr:
        """p (1 - p)."""
        p = softmax(logits, self.axis)
        return p * (1 - p)

    def mode_of(self, logits: Expr) -> Expr:
        """The one-hot vector of the greatest logit."""
        return equal(logits.argmax(self.axis), self.classes(logits))

    def drawable(self, applied: Applied, gradient: str | None) -> None:
        if gradient not in (None, "straight-through"):
            raise ExpressionError(
                f"{applied!r}.draw(gradient={gradient!r}): write gradient='straight-through', or leave it out"
            )

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """The one-hot vector of argmax_k (l_k + g_k)."""
        logits = parameters["logits"]
        hard = equal((logits + noises[0]).argmax(self.axis), self.classes(logits))
        if gradient is None:
            return hard
        p = softmax(logits, self.axis)
        return hard + (p - stop_gradient(p))

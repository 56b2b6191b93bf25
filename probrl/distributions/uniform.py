"""The uniform distribution between two bounds, and random subsets."""

from __future__ import annotations

import math
from typing import Any

import torch

from probrl.distributions.base import Distribution
from probrl.distributions.conditional import row_of
from probrl.errors import ExpressionError
from probrl.expr.axes import index_axis
from probrl.expr.base import Expr
from probrl.expr.operators import fresh_noise, lift, log, where


class Uniform(Distribution):
    r"""Uniform between two bounds, which may be expressions.

    .. math:: p(x) = \frac{1}{b - a} \quad \text{for } a \le x \le b

    Args:
        low, high: the bounds.
        name: how it prints.
        variable: how a value of it prints.

    Shapes:
        A value has the rank of the bounds. ``pr.Uniform(0, 1).draw(per=s)`` is one value per row of s.

    Example:
        >>> import probrl as pr
        >>> t = pr.Uniform(1e-3, 1).draw(per=pr.symbols("s"))
    """

    family = "Uniform"
    support = "an interval"
    keys = ("low", "high")
    law = "uniform"
    default_name = r"\mathcal{U}"
    distribution_torch_class = torch.distributions.Uniform

    def __init__(self, low: Any, high: Any, *, name: str | None = None, variable: str = "x"):
        rank = max(lift(v).type.rank or 0 for v in (low, high))
        if all(isinstance(v, (int, float)) for v in (low, high)) and not low < high:
            raise ExpressionError(f"pr.Uniform({low}, {high}): the lower bound comes first, and below the upper one")
        super().__init__(variable, name=name, rank=rank, given={"low": low, "high": high})

    @classmethod
    def example(cls) -> Uniform:
        """One of the family, for the laws."""
        return cls(-1.0, 2.0)

    def log_density(self, x: Expr, *, low: Expr, high: Expr) -> Expr:  # type: ignore[override]
        """-log(b - a) inside, minus infinity outside."""
        return self.total(where((x >= low) * (x <= high), -log(high - low), -math.inf))

    def entropy_of(self, low: Expr, high: Expr) -> Expr:
        """log(b - a)."""
        return self.total(log(high - low))

    def mean_of(self, low: Expr, high: Expr) -> Expr:
        """(a + b) / 2."""
        return 0.5 * (low + high)

    def variance_of(self, low: Expr, high: Expr) -> Expr:
        """(b - a)^2 / 12."""
        return (high - low) ** 2 / 12

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """a + (b - a) u."""
        return parameters["low"] + (parameters["high"] - parameters["low"]) * noises[0]


class Subset:
    """k of the numbers 0 ... n - 1 in random order, none twice; with k = n a permutation.

    Args:
        n: how many there are.
        k: how many are taken.

    Example:
        >>> import probrl as pr
        >>> j = pr.Subset(5, 2).draw(axis="i")
    """

    def __init__(self, n: int, k: int):
        if not (isinstance(n, int) and isinstance(k, int) and 0 < k <= n):
            raise ExpressionError(f"pr.Subset({n}, {k}): k of n numbers, so 0 < k <= n")
        self.n, self.k = n, k

    def draw(self, axis: str, *, per: Any = None) -> Expr:
        """The numbers along a new index axis: one subset per update, or with ``per=x`` one per row of x."""
        like = None if per is None else row_of(lift(per))
        return fresh_noise("subset", like, ((index_axis(axis), self.k),), (self.n, self.k))

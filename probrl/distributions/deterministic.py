"""A value that depends on its conditions alone: a point mass, which applied is an expression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor

from probrl.distributions.base import Distribution
from probrl.distributions.heads import data_axes
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import lift, stop_gradient, to_axis


class Deterministic(Distribution):
    r"""A point mass; applied to its conditions it is simply its value.

    .. math:: v = V_\phi(s)

    Args:
        declaration: ``"v | s"``; ``"q[a] | s"`` puts the network's last dimension on the index axis a; several
            variables (``"z, inherent | o"``) are the outputs of one network and come as a tuple.
        network: a module, or a function of expressions.
        rank: the event dimensions of the value (a tuple for several variables); scalars unless stated.

    Errors:
        ExpressionError for its log-probability: a point mass has no density.

    Example:
        >>> import probrl as pr
        >>> V = pr.Deterministic("v | s", pr.mlp(4, 64, 1), name=r"V_\phi")
        >>> s, R = pr.symbols("s R")
        >>> loss = pr.mean((V(s) - R) ** 2)
    """

    family = "Deterministic"
    support = "a point"
    default_name = "f"
    default_rank = 0

    def __init__(
        self,
        declaration: str,
        network: Any = None,
        *,
        name: str | None = None,
        rank: int | tuple[int, ...] | None = None,
        **options: Any,
    ):
        super().__init__(declaration, network, name=name, **options)
        variables = self.declaration.variables
        ranks = rank if isinstance(rank, tuple) else (rank or 0,) * len(variables)
        if len(ranks) != len(variables):
            raise ExpressionError(
                f"'{declaration}' declares {len(variables)} variables and rank={rank} is for {len(ranks)}"
            )
        self._ranks: tuple[int, ...] = ranks
        self.rank = self._ranks[0]

    @property
    def ranks(self) -> tuple[int, ...]:
        return self._ranks

    @property
    def keys(self) -> tuple[str, ...]:  # type: ignore[override]
        """The variables themselves."""
        return self.declaration.variables

    @property
    def raw_rank(self) -> int | tuple[int, ...]:
        """The event dimensions of the output(s), index axes included."""
        full = tuple(r + len(a) for r, a in zip(self._ranks, self.declaration.axes, strict=True))
        return full[0] if len(full) == 1 else full

    def applied(self, args: tuple[Expr, ...]) -> Any:
        found = tuple(self.parameters_of(self.role, args).values())
        return found[0] if len(found) == 1 else found

    def from_network(self, raw: Any) -> dict[str, Expr]:
        values = raw if isinstance(raw, tuple) else (raw,)
        found = {}
        for key, value, axes in zip(self.keys, values, self.declaration.axes, strict=True):
            for axis in reversed(axes):
                value = to_axis(value, axis)
            found[key] = value
        return found

    def from_expressions(self, values: Any) -> dict[str, Expr]:
        each = values if isinstance(values, tuple) else (values,)
        return dict(zip(self.keys, map(lift, each), strict=True))

    def recorded(self, args: tuple[Expr, ...]) -> dict[str, Expr]:
        axes = data_axes(*args)
        whole = [r + len(a) for r, a in zip(self._ranks, self.declaration.axes, strict=True)]
        columns = tuple(n.Symbol(f"{v}_value", r, axes, None) for v, r in zip(self.keys, whole, strict=True))
        return self.from_network(columns)

    def parameter_rank(self, key: str) -> int:
        """The event dimensions of an output."""
        position = self.keys.index(key)
        return self._ranks[position] + len(self.declaration.axes[position])

    def held(self, *args: Expr) -> Any:
        """The value, through which no gradient passes."""
        return stop_gradient(self.applied(args))

    # --- pixyz's side ------------------------------------------------------------------------------------------
    def _refuse(self) -> NoReturn:
        raise ExpressionError(
            f"{self.notation} is deterministic ('{self.declaration}'): a point mass has no log-probability; "
            "compare its "
            "value, as in (f(x) - y) ** 2, or declare pr.Normal"
        )

    def log_density(self, x: Expr, **parameters: Expr) -> Expr:
        self._refuse()

    def get_log_prob(
        self, x_dict: Mapping[str, Any], sum_features: bool = True, feature_dims: Any = None, **kwargs: Any
    ) -> Tensor:
        self._refuse()

    def get_entropy(
        self, x_dict: Mapping[str, Any] | None = None, sum_features: bool = True, feature_dims: Any = None
    ) -> Tensor:
        self._refuse()

    def _drawn(self, given: dict[str, Any], batch_n: int | None, shape: tuple[int, ...], mean: bool) -> dict[str, Any]:
        found = {k: self._rows(k, v, batch_n) for k, v in self.get_params(given).items()}
        return {k: v.expand(*shape, *v.shape) if shape else v for k, v in found.items()}

    def sample_mean(self, x_dict: Mapping[str, Any] | None = None) -> Tensor:
        return self.get_params(x_dict)[self.variable]

    def sample_variance(self, x_dict: Mapping[str, Any] | None = None) -> Tensor:
        return torch.zeros_like(self.get_params(x_dict)[self.variable])

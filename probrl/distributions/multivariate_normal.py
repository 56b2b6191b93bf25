"""The normal distribution with a full covariance, by its Cholesky factor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from probrl.distributions.base import Distribution
from probrl.distributions.normal import HALF_LOG_TWO_PI, coordinates
from probrl.distributions.outputs import event_size
from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis, index_axis
from probrl.expr.base import Expr
from probrl.expr.operators import clip, equal, exp, log, sqnorm, sum_event, where
from probrl.expr.state import Network


def solve(factor: Tensor, x: Tensor) -> Tensor:
    """The solution z of L z = x for a lower triangular L; x is a vector or a matrix per row."""
    vector = x.dim() < factor.dim()
    z = torch.linalg.solve_triangular(factor, x.unsqueeze(-1) if vector else x, upper=False)
    return z.squeeze(-1) if vector else z


SOLVE = Network("solve", solve, None, True)


class Square(nn.Module):
    """A network whose D + D^2 outputs are a vector and a matrix."""

    def __init__(self, network: nn.Module, size: int):
        super().__init__()
        self.network, self.size = network, size

    def forward(self, *inputs: Any) -> tuple[Tensor, Tensor]:
        out = self.network(*inputs)
        if out.shape[-1] != self.size * (self.size + 1):
            raise DataError(
                f"the network puts out {out.shape[-1]} numbers; {self.size} means and a {self.size} x "
                f"{self.size} factor need {self.size * (self.size + 1)}"
            )
        return out[..., : self.size], out[..., self.size :].unflatten(-1, (self.size, self.size))


def _torch(loc: Tensor, scale_tril: Tensor, validate_args: bool | None = None) -> torch.distributions.Distribution:
    return torch.distributions.MultivariateNormal(loc, scale_tril=scale_tril, validate_args=validate_args)


class MultivariateNormal(Distribution):
    r"""A normal vector with a full covariance L L^T.

    .. math:: \log p(a \mid s) = -\tfrac12 \|L^{-1}(a - \mu)\|^2 - \sum_d \log L_{dd} - \tfrac D2 \log 2\pi

    Args:
        declaration: ``"a | s"``.
        network: puts out D + D^2 numbers: the mean, and row by row a matrix. Its lower triangle is that of L; the
            diagonal of L is the exponential of the matrix's, clipped to [-20, 2]; the rest is not used.
        loc, scale_tril: in place of a network, the mean (rank 1) and L (rank 2) as expressions.

    Shapes:
        A value is ``(batch, D)``; its log-probability ``(batch,)``.

    Errors:
        ExpressionError when the network's number of outputs is no D + D^2.

    Example:
        >>> import probrl as pr
        >>> p = pr.MultivariateNormal("a | s", pr.mlp(3, 16, 2 + 4))
        >>> s, a = pr.symbols("s a")
        >>> log_prob = p(s).log_prob(a)
    """

    family = "MultivariateNormal"
    keys = ("loc", "scale_tril")
    bounds = (-20.0, 2.0)
    example_outputs = 6
    distribution_torch_class = staticmethod(_torch)

    def __init__(
        self,
        declaration: str | None = None,
        network: Any = None,
        *,
        loc: Any = None,
        scale_tril: Any = None,
        **options: Any,
    ):
        def wrap(module: nn.Module) -> nn.Module:
            outputs = event_size(module)
            size = int((outputs + 0.25) ** 0.5)
            if size * (size + 1) != outputs:
                raise ExpressionError(
                    f"pr.MultivariateNormal: {outputs} outputs are no D + D^2; a vector of size {size} needs "
                    f"{size * (size + 1)}"
                )
            return Square(module, size)

        super().__init__(declaration, network, given={"loc": loc, "scale_tril": scale_tril}, wrap=wrap, **options)

    @property
    def raw_rank(self) -> tuple[int, ...]:
        return (1, 2)

    def from_network(self, raw: Any) -> dict[str, Expr]:
        matrix = raw[1].to_axis("column").to_axis("row")
        row, column = n.Range(index_axis("row"), matrix), n.Range(index_axis("column"), matrix)
        on_diagonal = where(equal(row, column), exp(clip(matrix, *self.bounds)), 0)
        return {
            "loc": raw[0],
            "scale_tril": where(row > column, matrix, on_diagonal).to_event("row").to_event("column"),
        }

    def column(self, key: str, name: str, axes: tuple[Axis, ...]) -> Expr:
        return n.Symbol(name, self.parameter_rank(key), axes, None)

    def parameter_rank(self, key: str) -> int:
        return 2 if key == "scale_tril" else 1

    def log_density(self, x: Expr, *, loc: Expr, scale_tril: Expr) -> Expr:  # type: ignore[override]
        """-|L^-1 (a - mu)|^2 / 2 - sum_d log L_dd - D log(2 pi) / 2."""
        z = n.Call(SOLVE, "live", (scale_tril, x - loc), 1, ())
        return -0.5 * sqnorm(z) - log_diagonal(scale_tril) - coordinates(z) * HALF_LOG_TWO_PI

    def entropy_of(self, loc: Expr, scale_tril: Expr) -> Expr:
        """sum_d log L_dd + D log(2 pi e) / 2."""
        return log_diagonal(scale_tril) + coordinates(loc) * (HALF_LOG_TWO_PI + 0.5)

    def divergence(self, p: dict[str, Expr], q: dict[str, Expr]) -> Expr:
        """(|L_q^-1 L_p|^2 + |L_q^-1 (mu_q - mu_p)|^2 - D) / 2 + sum_d log L_q,dd - log L_p,dd."""
        spread = n.Call(SOLVE, "live", (q["scale_tril"], p["scale_tril"]), 2, ())
        distance = n.Call(SOLVE, "live", (q["scale_tril"], q["loc"] - p["loc"]), 1, ())
        size = sum_event(spread**2) + sqnorm(distance) - coordinates(distance)
        return 0.5 * size + log_diagonal(q["scale_tril"]) - log_diagonal(p["scale_tril"])

    def mean_of(self, loc: Expr, scale_tril: Expr) -> Expr:
        """mu."""
        return loc

    def mode_of(self, loc: Expr, scale_tril: Expr) -> Expr:
        """mu."""
        return loc

    def variance_of(self, loc: Expr, scale_tril: Expr) -> Expr:
        """The diagonal of L L^T."""
        return (scale_tril.to_axis("column") ** 2).sum("column")

    def like(self, parameters: dict[str, Expr], per: Expr | None = None) -> Expr:
        return super().like({"loc": parameters["loc"]}, per)

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """mu + L e with standard normal e."""
        columns, noise = parameters["scale_tril"].to_axis("column"), noises[0].to_axis("column")
        return parameters["loc"] + (columns * noise).sum("column")


def log_diagonal(factor: Expr) -> Expr:
    """sum_d log L_dd."""
    entries = factor.to_axis("column").to_axis("row")
    diagonal = n.At(entries, "column", n.Range(index_axis("row"), entries))
    return log(diagonal).sum("row")

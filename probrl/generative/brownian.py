"""The Brownian bridge between two points, as models and solvers see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from probrl.errors import ExpressionError
from probrl.expr.base import Expr

LEAST = 1e-30  # of t (1 - t), so that a quotient is large and not infinite


@dataclass(frozen=True)
class Brownian:
    r"""x_t = (1 - t) x_0 + t x_1 + sigma sqrt(t (1 - t)) eps.

    Functions of time take expressions, tensors and numbers.

    Args:
        volatility: sigma, the standard deviation of the motion per root of unit time.

    Errors:
        ExpressionError unless sigma is positive.
    """

    volatility: float = 1.0

    usual_grid: ClassVar[str] = "quadratic"
    """Near the data the flow goes like the root of time: equal steps of the root see it straight. Twenty equal steps of time
    leave twenty times the error that these leave, and a process's last noise is that of its last, longest step."""

    def __post_init__(self) -> None:
        if not self.volatility > 0:
            raise ExpressionError(
                f"sigma={self.volatility!r}: the volatility of a bridge is positive; without it, use pr.Flow"
            )

    def alpha(self, t: Any) -> Any:
        """The coefficient of the data in x_t."""
        return 1 - t

    def sigma(self, t: Any) -> Any:
        """The standard deviation of x_t between fixed ends."""
        return self._volatility(t) * _root(t)

    def reverse_noise(self, t: Any, kind: Any = None) -> Any:
        """The square of the noise of the reverse process: sigma^2, or a multiple of it.

        Errors:
            ExpressionError for another kind.
        """
        if kind is not None and (isinstance(kind, bool) or not isinstance(kind, (int, float)) or kind < 0):
            raise ExpressionError(f"noise={kind!r}: of a bridge, None for sigma^2, or a number that multiplies it")
        return 0 * t + (1.0 if kind is None else float(kind)) * self.volatility**2

    def slope(self, t: Any, churn: Any = 0.0) -> Any:
        """The share of the noise in dx/dt: (1 - 2t + churn) sigma / (2 sqrt(t (1 - t))).

        Args:
            t: the time.
            churn: the noise of the reverse process, as a multiple of sigma^2; 0 for the flow.
        """
        return (1 - 2 * t + churn) * self._volatility(t) / (2 * _root(t))

    def _volatility(self, t: Any) -> Any:
        """The volatility, under its letter where the time is an expression."""
        if not isinstance(t, Expr):
            return self.volatility
        from probrl.expr.nodes import Number

        return Number(self.volatility, "sigma")

    def perturb(self, x: Any, other: Any, noise: Any, t: Any) -> Any:
        """The bridge at a time."""
        return (1 - t) * x + t * other + self.sigma(t) * noise

    def half_log_snr(self, t: Any) -> Any:
        """Refused: between two points there is no ratio of signal to noise."""
        raise ExpressionError(
            "a bridge has no signal-to-noise ratio, so its grids are 'uniform' and 'quadratic', and solvers that go by "
            "the ratio (DPM, DDIM) do not fit: write pr.solvers.EulerMaruyama(steps=20) or pr.solvers.Heun(steps=20)"
        )

    time_of = half_log_snr


def _root(t: Any) -> Any:
    square = t * (1 - t)
    if isinstance(square, Tensor):
        return square.clamp_min(LEAST).sqrt()
    if isinstance(square, (int, float)):
        return max(square, LEAST) ** 0.5
    from probrl.expr.operators import sqrt

    return sqrt(square)

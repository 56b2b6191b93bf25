"""The steps that move something without a gradient: copies of parameters, running scalars."""

from __future__ import annotations

from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.operators import lift
from probrl.program import checks
from probrl.program.steps import Step


class Move(Step):
    """Base of what moves a role's copy."""

    allowed: tuple[str, ...] = ()

    def __init__(self, view: Any):
        self.view = checks.role_view(view, f"pr.{type(self).__name__}", self.allowed)

    @property
    def role(self) -> str:
        """The role that it moves."""
        return str(self.view.role)

    @property
    def networks(self) -> tuple[Any, ...]:
        """The networks whose copies it moves."""
        return tuple(checks.handles(self.view))


class Polyak(Move):
    """Moves the copy towards the live parameters: bar theta <- (1 - tau) bar theta + tau theta.

    Args:
        view: the role that moves, as in ``Q.target``.
        tau: a number in (0, 1], or a formula of one number; where that is outside of [0, 1] or not finite, the copy stays.

    Example:
        >>> import probrl as pr
        >>> Q = pr.Deterministic("q | s", pr.mlp(3, 1), name="Q")
        >>> print(pr.Polyak(Q.target, tau=0.1).text())
        parameters of[Q̄] ← 0.9 parameters of[Q̄] + 0.1 parameters of[Q]
    """

    allowed = ("target", "ema")

    def __init__(self, view: Any, tau: Any = 0.005):
        super().__init__(view)
        self.tau = tau.value if isinstance(tau, n.Number) else tau
        if isinstance(self.tau, Expr):
            checks.is_number(self.tau, "pr.Polyak(tau=...)")
        elif isinstance(self.tau, bool) or not isinstance(self.tau, (int, float)) or not 0 < self.tau <= 1:
            raise ExpressionError(
                f"pr.Polyak(..., tau={tau!r}): the share is a number in (0, 1], as in tau=0.005, or a formula of one"
            )

    def expressions(self) -> dict[str, Expr]:
        return {"tau": self.tau} if isinstance(self.tau, Expr) else {}


class Snapshot(Move):
    """Sets the copy equal to the live parameters.

    Example:
        >>> import probrl as pr
        >>> pi = pr.Categorical("a | s", pr.mlp(3, 2), name="pi")
        >>> print(pr.Snapshot(pi.old).text())
        parameters of[π^old] ← parameters of[π]
    """

    allowed = ("old", "target", "ema")


class Assign(Step):
    """Sets a running scalar (if ``when`` holds): ``pr.Assign(m, 0.9 * m + 0.1 * pr.mean(x))``.

    Example:
        >>> import probrl as pr
        >>> m, x = pr.state("m"), pr.symbols("x")
        >>> update = pr.Assign(m, pr.mean(x), when=pr.mean(x) > m)
        >>> print(update.text())
        m ← where(mean_𝒟[x] > m, mean_𝒟[x], m)
        where
          m: running value, from 0.0
    """

    def __init__(self, state: Any, value: Any, when: Any = None):
        if not isinstance(state, n.State) or state.cell.kind != "state":
            raise ExpressionError(
                f"pr.Assign({show(state) if isinstance(state, Expr) else repr(state)}, ...): only a pr.state('name') is assigned; a pr.parameter moves by Minimize"
            )
        self.state, self.value = state, lift(value)
        self.when = None if when is None else lift(when)
        checks.is_number(self.value, "pr.Assign")
        if self.when is not None:
            checks.is_number(self.when, "pr.Assign(when=...)")

    def expressions(self) -> dict[str, Expr]:
        found = {"value": self.value}
        return found if self.when is None else {**found, "when": self.when}

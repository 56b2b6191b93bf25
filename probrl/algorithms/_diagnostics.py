"""What several algorithms report: each a formula and a phrase that says what it means."""

from __future__ import annotations

from typing import Any

from probrl.errors import ExpressionError
from probrl.expr.operators import abs, exp, mean, var

Reported = tuple[Any, str]


def entropy_of(policy: Any) -> Any:
    """The entropy of a policy applied to observations, as a term with a name; estimated by a draw if it has no formula."""
    try:
        entropy = policy.entropy()
    except ExpressionError:
        entropy = -policy.log_prob(policy.draw())
    return entropy.named("entropy", "of the policy, in nats; falls slowly, a sudden fall is premature certainty")


def approx_kl(log_ratio: Any) -> Reported:
    r"""The estimate :math:`E[r - 1 - \log r]` of the KL divergence from the policy that played: never negative."""
    return (
        mean(exp(log_ratio) - 1 - log_ratio),
        "mean of ratio - 1 - log ratio, an estimate of the KL divergence from the policy that played; "
        "below about 0.02, above it the steps are too large",
    )


def clip_fraction(ratio: Any, epsilon: Any) -> Reported:
    """The share of rows whose ratio has left the interval."""
    return mean(abs(ratio - 1) > epsilon), "share of rows whose ratio has left the interval; 0.05 to 0.3"


def explained_variance(target: Any, value: Any) -> Reported:
    """One less the share of the targets' variance that the critic leaves."""
    return (
        1 - var(target - value) / var(target),
        "share of the variance of the targets that the critic explains; towards 1, below 0 is worse than a constant",
    )

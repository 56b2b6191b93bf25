"""Generalised advantage estimation."""

from typing import Any

from probrl.expr.recursion import recursion


def gae(delta: Any, ended: Any, gamma: Any, lam: Any, over: str = "time") -> Any:
    """The discounted sum of temporal-difference errors until the episode ends: A_t = delta_t + gamma lambda (1 - ended_t) A_{t+1}.

    Args:
        delta: the errors, with the axis.
        ended: whether the step was the episode's last, terminated or truncated.
        gamma: the discount.
        lam: the decay; 0 gives the errors, 1 the return less the value.
        over: the axis of time.

    Source: Schulman et al. 2016, equation 16.

    Example:
        >>> import torch, probrl as pr
        >>> delta, ended = pr.symbols("delta ended", axes="time")
        >>> batch = {"delta": torch.ones(1, 3), "ended": torch.tensor([[False, True, False]])}
        >>> pr.gae(delta, ended, 0.5, 1.0)(batch)
        tensor([[1.5000, 1.0000, 1.0000]])
    """
    return recursion(lambda A: delta + gamma * lam * (1 - ended) * A, init=0, over=over, reverse=True)

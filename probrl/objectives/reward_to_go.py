"""Rewards-to-go."""

from typing import Any

from probrl.expr.recursion import recursion


def reward_to_go(reward: Any, ended: Any, gamma: Any, over: str = "time") -> Any:
    """The discounted sum of the rewards until the episode or the data end: G_t = r_t + gamma (1 - ended_t) G_{t+1}.

    Args:
        reward: the rewards, with the axis.
        ended: whether the step was the episode's last, terminated or truncated.
        gamma: the discount.
        over: the axis of time.

    Source: Williams 1992 (REINFORCE).

    Example:
        >>> import torch, probrl as pr
        >>> r, ended = pr.symbols("r ended", axes="time")
        >>> batch = {"r": torch.ones(1, 3), "ended": torch.tensor([[False, True, False]])}
        >>> pr.reward_to_go(r, ended, 0.5)(batch)
        tensor([[1.5000, 1.0000, 1.0000]])
    """
    return recursion(lambda G: reward + gamma * (1 - ended) * G, init=0, over=over, reverse=True)

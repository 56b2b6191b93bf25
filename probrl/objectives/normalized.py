"""What is seen and what is earned, on a scale of about one."""

from typing import Any

from probrl.expr.operators import clip, sqrt
from probrl.expr.recursion import preceding, recursion

SMALL = 1e-8  # keeps what never varies from being divided by zero


def normalized(x: Any, mean: Any, variance: Any, bound: float = 10) -> Any:
    """x standardised and clipped: clip((x - mean) / sqrt(variance + 1e-8), -bound, bound).

    Example:
        >>> import torch, probrl as pr
        >>> x = pr.symbols("x")
        >>> pr.normalized(x, 1.0, 4.0)({"x": torch.tensor([1.0, 5.0, 1e9])})
        tensor([ 0.,  2., 10.])
    """
    return clip((x - mean) / sqrt(variance + SMALL), -bound, bound)


def scaled(x: Any, variance: Any, bound: float = 10) -> Any:
    """x divided by its standard deviation, not centred, and clipped: clip(x / sqrt(variance + 1e-8), -bound, bound).

    Example:
        >>> import torch, probrl as pr
        >>> pr.scaled(pr.symbols("x"), 4.0)({"x": torch.tensor([-1.0, 0.0, 5.0])})
        tensor([-0.5000,  0.0000,  2.5000])
    """
    return clip(x / sqrt(variance + SMALL), -bound, bound)


def running_return(r: Any, ended: Any, gamma: Any, over: str = "time") -> Any:
    """The discounted sum of the rewards so far in an episode: G_t = r_t + gamma (1 - ended_{t-1}) G_{t-1}.

    Source: Engstrom et al. 2020, "Implementation matters in deep policy gradients", section 3.

    Example:
        >>> import torch, probrl as pr
        >>> r, ended = pr.symbols("r ended", axes="time")
        >>> batch = {"r": torch.ones(1, 4), "ended": torch.tensor([[False, True, False, False]])}
        >>> pr.running_return(r, ended, 0.5)(batch)
        tensor([[1.0000, 1.5000, 1.0000, 1.5000]])
    """
    return recursion(lambda G: r + gamma * (1 - preceding(ended)) * G, init=0, over=over)

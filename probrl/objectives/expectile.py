"""The expectile loss."""

from typing import Any

from probrl.expr.definition import definition
from probrl.expr.operators import abs


@definition("expectile")
def expectile(u: Any, tau: Any) -> Any:
    """An asymmetric square, |tau - 1[u < 0]| u^2: its minimiser is the tau-expectile.

    Source: Newey and Powell 1987; Kostrikov et al. 2021 (IQL), equation 5.

    Example:
        >>> import torch, probrl as pr
        >>> pr.expectile(pr.symbols("u"), 0.75)({"u": torch.tensor([-2.0, 2.0])})
        tensor([1., 3.])
    """
    return abs(tau - (u < 0)) * u**2

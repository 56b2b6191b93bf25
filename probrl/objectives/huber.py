"""The Huber loss."""

from typing import Any

from probrl.expr.definition import definition
from probrl.expr.operators import abs, where


@definition("huber")
def huber(x: Any, delta: Any = 1.0) -> Any:
    """Quadratic near zero, linear beyond: x^2 / 2 where |x| <= delta, else delta (|x| - delta / 2).

    Source: Huber 1964.

    Example:
        >>> import torch, probrl as pr
        >>> pr.huber(pr.symbols("x"))({"x": torch.tensor([0.5, 3.0])})
        tensor([0.1250, 2.5000])
    """
    return where(abs(x) <= delta, 0.5 * x**2, delta * (abs(x) - 0.5 * delta))

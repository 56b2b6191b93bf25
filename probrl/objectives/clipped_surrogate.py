"""The clipped surrogate."""

from typing import Any

from probrl.expr.definition import definition
from probrl.expr.operators import clip, minimum


@definition("surrogate")
def clipped_surrogate(ratio: Any, advantage: Any, epsilon: Any) -> Any:
    """The clipped surrogate of PPO: min(ratio A, clip(ratio, 1 - epsilon, 1 + epsilon) A).

    Source: Schulman et al. 2017 (PPO), equation 7.

    Example:
        >>> import torch, probrl as pr
        >>> ratio, A = pr.symbols("ratio A")
        >>> pr.clipped_surrogate(ratio, A, 0.2)({"ratio": torch.tensor([2.0, 2.0]), "A": torch.tensor([1.0, -1.0])})
        tensor([ 1.2000, -2.0000])
    """
    return minimum(ratio * advantage, clip(ratio, 1 - epsilon, 1 + epsilon) * advantage)

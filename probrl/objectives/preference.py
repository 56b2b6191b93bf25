"""What people prefer, as a loss of errors."""

from typing import Any

from probrl.expr.definition import definition
from probrl.expr.operators import softplus


@definition("preference")
def preference(better: Any, better_reference: Any, worse: Any, worse_reference: Any, beta: Any) -> Any:
    r"""-log sigmoid(-beta ((l_+ - l_+^ref) - (l_- - l_-^ref))), of a model's errors at a preferred and a rejected value.

    Errors are matching losses at the same time and noise for the model and for its reference: a model is to explain
    the preferred value better than its reference does, and the rejected one worse.

    Source:
        Wallace et al. 2024, "Diffusion model alignment using direct preference optimization", equation 14; beta here is
        their beta T w(t).

    Example:
        >>> import torch, probrl as pr
        >>> a, b, c, d = pr.symbols("a b c d")
        >>> pr.preference(a, b, c, d, 1.0)({k: torch.ones(1) for k in "abcd"})
        tensor([0.6931])
    """
    return softplus(beta * ((better - better_reference) - (worse - worse_reference)))

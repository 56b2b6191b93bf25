"""Advantages that a group gives in place of a critic."""

from typing import Any

from probrl.expr.operators import maximum, sqrt

SPREAD = 1e-4  # added to the std: where a whole group earned the same, rounding is not to look like an advantage


def group_advantage(outcome: Any, present: Any = None, over: str = "batch") -> Any:
    """Returns standardised over their group: (G - mean G) / (std G + 1e-4), with the population std.

    Args:
        outcome: what was earned, with the axis; rows that a mask marks stand in no mean.
        present: whether the entry is one of the group, where no mask says so; others stand in no mean.
        over: the axis of the group.

    Source: Shao et al. 2024 (DeepSeekMath), section 4.1.

    Example:
        >>> import torch, probrl as pr
        >>> G, present = pr.symbols("G present")
        >>> batch = {"G": torch.tensor([1.0, 3.0, 9.0]), "present": torch.tensor([True, True, False])}
        >>> pr.group_advantage(G, present)(batch)[:2]
        tensor([-0.9999,  0.9999])
    """

    def mean(x: Any) -> Any:
        return x.mean(over) if present is None else (present * x).sum(over) / size

    size = None if present is None else maximum(present.sum(over), 1).named("n")
    centred = (outcome - mean(outcome)).named("d")
    return centred / (sqrt(mean(centred**2)) + SPREAD)

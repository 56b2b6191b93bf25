"""The temporal-difference error."""

from typing import Any

from probrl.expr.definition import definition


@definition("delta")
def td_error(reward: Any, value: Any, value_next: Any, terminated: Any, gamma: Any) -> Any:
    """r + gamma (1 - terminated) V(s') - V(s): a terminated step does not bootstrap, a truncated one does.

    Source: Sutton 1988.

    Example:
        >>> import torch, probrl as pr
        >>> r, v, v_next, terminated = pr.symbols("r v v_next terminated")
        >>> one = torch.ones(2)
        >>> batch = {"r": one, "v": one, "v_next": 2 * one, "terminated": torch.tensor([False, True])}
        >>> pr.td_error(r, v, v_next, terminated, 0.5)(batch)
        tensor([1., 0.])
    """
    return reward + gamma * (1 - terminated) * value_next - value

"""The steps that a policy just took, as the columns that a program reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probrl.errors import NonFiniteError
from probrl.nested import each, parts

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...] | Mapping[str, Any]  # of an array, or of each entry of a dict of arrays


class Rollout:
    r"""Preallocated columns of ``steps`` steps of ``num_envs`` environments, laid out (environment, time, ...).

    ========== ============== =====================================================================================
    column     shape          meaning
    ========== ============== =====================================================================================
    s          ``(N, T, *o)`` what the action was chosen on
    a          ``(N, T, *a)`` the action as the policy drew it (before any clipping by the environment)
    a_log_prob ``(N, T)``     what the policy said of it: :math:`\log \pi_{behavior}(a | s)`
    r          ``(N, T)``     reward
    s_next     ``(N, T, *o)`` what the action led to; at an end the true last observation of that episode
    terminated ``(N, T)``     the episode reached a state without a future
    ended      ``(N, T)``     terminated or truncated
    valid      ``(N, T)``     the action was executed; a row that is not holds the last observation of an episode
    ========== ============== =====================================================================================

    Args:
        num_envs: N, environments.
        steps: T, steps of each.
        observation: shape of one observation; a dict of shapes for a dict of arrays, whose columns are dicts too.
        action: shape of one action; ``()`` for a discrete one.
        discrete: whether actions are whole numbers.
        observation_dtype: numpy name, or a dict of them; what is not an integer type is kept as float32.

    Example:
        >>> rollout = Rollout(num_envs=2, steps=3, observation=(4,), action=(), discrete=True)
        >>> {name: tuple(column.shape) for name, column in rollout.columns().items()}["s_next"]
        (2, 3, 4)
    """

    def __init__(
        self,
        num_envs: int,
        steps: int,
        observation: Shape,
        action: tuple[int, ...],
        discrete: bool,
        observation_dtype: str | Mapping[str, Any] = "float32",
    ) -> None:
        self.num_envs, self.steps, self.filled = num_envs, steps, 0
        rows = (num_envs, steps)
        self._columns: dict[str, Any] = {
            "s": _zeros(rows, observation, observation_dtype),
            "a": torch.zeros(*rows, *action, dtype=torch.int64 if discrete else torch.float32),
            "a_log_prob": torch.zeros(rows),
            "r": torch.zeros(rows),
            "s_next": _zeros(rows, observation, observation_dtype),
            "terminated": torch.zeros(rows, dtype=torch.bool),
            "ended": torch.zeros(rows, dtype=torch.bool),
            "valid": torch.zeros(rows, dtype=torch.bool),
        }
        # Views of one step, made once: writing through them costs a fifth of indexing a tensor each time.
        views = [each(Tensor.numpy, column) for name, column in self._columns.items() if name != "s"]
        self._rows = [tuple(each(lambda v, t=t: v[:, t], view) for view in views) for t in range(steps)]
        self._seen = [each(lambda c, t=t: c[:, t], self._columns["s"]) for t in range(steps)]
        self._seen_rows = [each(Tensor.numpy, seen) for seen in self._seen]
        self._nested = isinstance(observation, Mapping)

    def observe(self, observation: Any) -> Any:
        """Writes what the next action is chosen on, and gives it back as a tensor ``(N, *o)`` of the column's type."""
        if self._nested:
            each(np.copyto, self._seen_rows[self.filled], observation)
        else:
            self._seen_rows[self.filled][...] = observation
        return self._seen[self.filled]

    def observe_array(self, observation: Array) -> Array:
        """The same for an array, given back as one."""
        row: Array = self._seen_rows[self.filled]
        row[...] = observation
        return row

    def record(
        self,
        action: Array,
        log_prob: Array | None,
        reward: Array,
        next_observation: Any,
        terminated: Array,
        truncated: Array,
        valid: Array,
        quiet: bool = False,
    ) -> None:
        """Writes what was done and what it led to, and goes on to the next step; the arrays may be reused.

        Log-probabilities may be left out and come together in the end, see :meth:`put_log_probs`. In a quiet step nothing
        ended and all is valid, which is what :meth:`clear` has written.
        """
        a, a_log_prob, r, s_next, dead, ended, counts = self._rows[self.filled]
        a[...] = action
        if log_prob is not None:
            a_log_prob[...] = log_prob
        r[...] = reward
        if self._nested:
            each(np.copyto, s_next, next_observation)
        else:
            s_next[...] = next_observation
        if not quiet:
            dead[...] = terminated
            np.logical_or(terminated, truncated, out=ended)
            counts[...] = valid
        self.filled += 1

    def put_log_probs(self, log_probs: Tensor) -> None:
        """Writes the log-probabilities of all actions: ``(T * N,)``, those of one step side by side."""
        self._columns["a_log_prob"].copy_(log_probs.view(self.steps, self.num_envs).t())

    @property
    def full(self) -> bool:
        """Whether every step has been written."""
        return self.filled == self.steps

    def clear(self) -> None:
        """Begins again; the tensors are kept and will be written over."""
        self.filled = 0
        for name, value in (("terminated", False), ("ended", False), ("valid", True)):
            self._columns[name].fill_(value)

    def columns(self, device: torch.device | str | None = None) -> dict[str, Any]:
        """The columns as a batch; on the CPU the tensors are the storage itself, which the next rollout overwrites."""
        if device is None or torch.device(device).type == "cpu":
            return dict(self._columns)
        return each(lambda column: column.to(device, non_blocking=True), self._columns)

    def check_finite(self, begun: int = 0) -> None:
        """Refuses what an environment or a policy made of NaN or infinity.

        A step is named by its number in calls of ``step``, from 0, whatever it gave: observation, reward or error.

        Args:
            begun: the number of the rollout's first step.

        Errors:
            NonFiniteError naming what came first, the environment's index and the step.
        """
        bad = []
        for rank, name in enumerate(("r", "s_next", "s", "a", "a_log_prob")):
            for entry, column in parts(self._columns[name]):
                # one reduction over everything: a sum is finite unless a term is not, or the numbers are absurdly large
                if column.is_floating_point() and not math.isfinite(column.sum().item()):
                    found = torch.nonzero(~torch.isfinite(column))
                    if len(found):
                        first = found[found[:, 1].argmin()].tolist()
                        # what is seen or done in a row comes before what the row's step gives
                        bad.append((first[1] + (name in ("r", "s_next")), rank, entry, name, first, column))
        if bad:
            *_, entry, name, place, column = min(bad, key=lambda one: one[:3])
            _refuse_non_finite(name, entry, column, place, begun)


def _zeros(rows: tuple[int, int], shape: Shape, dtype: Any) -> Any:
    if isinstance(shape, Mapping):
        return {name: _zeros(rows, part, dtype[name]) for name, part in shape.items()}
    integer = np.issubdtype(np.dtype(dtype), np.integer)
    return torch.zeros(*rows, *shape, dtype=torch.from_numpy(np.zeros(0, dtype)).dtype if integer else torch.float32)


def _refuse_non_finite(name: str, entry: str, column: Tensor, place: list[int], begun: int) -> None:
    env, row, *_ = place
    value, step = float(column[tuple(place)]), begun + row
    meaning = {"r": "the reward", "a": "the action", "a_log_prob": "the log-probability of the action"}
    what = meaning.get(name, f"the observation's {entry!r}" if entry else "the observation")
    when = f"at step {step}" if name != "s" else f"at the reset before step {step}"  # else step - 1 gave it in s_next
    raise NonFiniteError(f"{what} is {value} in environment {env} {when}")

"""Observations and rewards on a scale of about one, by what has been seen so far: formulas and running moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from probrl.envs import Entries, Observation, Seen
from probrl.errors import DataError
from probrl.expr import nodes as n
from probrl.expr.axes import BATCH, Axis
from probrl.expr.base import Expr
from probrl.expr.operators import constant
from probrl.graph.function import Function
from probrl.nested import each, parts
from probrl.objectives.normalized import running_return, scaled
from probrl.training.moments import ENOUGH, Entry, Moments

TIME = Axis("time", mask="valid")


class Normalization:
    r"""What an agent does to observations and rewards before it looks at them.

    .. math:: s = \mathrm{clip}\Big(\frac{o - m}{\sqrt{v + 10^{-8}}}, -10, 10\Big), \qquad
              r = \mathrm{clip}\Big(\frac{r_{env}}{\sqrt{v_G + 10^{-8}}}, -10, 10\Big)

    m and v are the mean and variance of every observation before this rollout, and stay as they are during it. The first
    rollout has none before it: there observations are left as they are until 2,048 of them have been seen, and then m and v
    are of every one up to this step. Else a policy would learn from a whole long rollout of others than it will see
    (BipedalWalker with 65,536 steps per rollout needed five updates to recover). v_G is the variance of the discounted sum of rewards so far in each
    episode, this rollout's included. Pictures and whole numbers that name classes are left alone; of a dict, each entry
    has moments of its own.

    Args:
        algorithm: its fields ``norm_obs``, ``norm_reward`` and ``gamma`` say what is done.
        seen: what one observation is.
    """

    def __init__(self, algorithm: Any, seen: Seen) -> None:
        self.entries = _entries(seen) if getattr(algorithm, "norm_obs", False) else {}
        taken: set[str] = set()
        for entry in self.entries.values():  # "a.b" and "a_b" are printed apart
            while entry.name in taken:
                entry.name += "_2"
            taken.add(entry.name)
        self.of_rewards = bool(getattr(algorithm, "norm_reward", False))
        self._tree = _tree(seen, self.entries)
        self.returns, self._carried = Moments(), torch.zeros(0, dtype=torch.float64)
        gamma = getattr(algorithm, "gamma", 1.0)
        self._discount = gamma if isinstance(gamma, Expr) else constant("gamma", gamma)
        self._functions = {name: Function({name: x}) for name, x in self._rewards((BATCH, TIME)).items()}

    def _rewards(self, axes: tuple[Axis, ...]) -> dict[str, Expr]:
        """What rewards become, and what they are divided by the deviation of."""
        if not self.of_rewards:
            return {}
        r, ended = (n.Symbol(name, 0, axes, None) for name in ("r_env", "ended"))
        G = running_return(r, ended, self._discount, over=axes[-1].name)
        return {"G": G, "r": scaled(r, n.Symbol("var_G", 0, (), None))}

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        return bool(self.entries) or self.of_rewards

    def equations(self, axes: tuple[Axis, ...] = (BATCH, TIME)) -> dict[str, Expr]:
        """What every column becomes, by name: what runs, and what is printed with the algorithm.

        Args:
            axes: those of the program's columns.
        """
        found = {name: x for entry in self.entries.values() for name, x in entry.equations(axes).items()}
        return {**found, **self._rewards(axes)}

    @property
    def words(self) -> list[str]:
        """What the means and variances in the formulas are of."""
        first = f"in the first one up to this step, once they are more than {ENOUGH}"
        seen = [f"with mean and var of every o before this rollout, {first}"] if self.entries else []
        return [
            *seen,
            *(
                ["where G goes on from one rollout to the next, with var of every G so far, this rollout included"]
                if self.of_rewards
                else []
            ),
        ]

    @property
    def observe(self) -> Callable[[Any], Any] | None:
        """A function from observations to what the networks see; None where that is the same."""
        if not self.entries:
            return None
        entry = self.entries.get("")
        return entry if entry is not None else partial(each, _seen_by, self._tree)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While a rollout is played: before anything has been seen, the moments follow it step by step."""
        whole = False
        for entry in self.entries.values():
            entry.watch()
        try:
            yield
            whole = True
        finally:
            for entry in self.entries.values():
                entry.rest(whole)

    @torch.no_grad()
    def rollout(self, columns: dict[str, Any]) -> dict[str, Any]:
        """The columns of a rollout as the program reads them; then the moments take in what was seen."""
        valid, found = columns["valid"].bool(), dict(columns)
        if self.of_rewards:
            self._take_rewards(columns, valid)
            earned = {"r_env": columns["r"], "valid": valid, "var_G": self.returns.variance.to(columns["r"])}
            found["r"] = self._functions["r"](earned)["r"]
        if self.entries:
            arrays = dict(parts(columns["s"]))
            found["s"], found["s_next"] = (each(_as_seen, self._tree, columns[name]) for name in ("s", "s_next"))
            for path, entry in self.entries.items():
                entry.take_in(arrays[path][valid])
        return found

    def _take_rewards(self, columns: dict[str, Any], valid: Tensor) -> None:
        r = columns["r"].double()
        if self._carried.shape != r.shape[:1]:
            self._carried = torch.zeros(len(r), dtype=torch.float64)
        # one more row in front, which earned what the episode under way had earned before
        r = torch.cat([self._carried.to(r.device).unsqueeze(1), r], 1)
        ended, counts = pad(columns["ended"].bool(), (1, 0), value=False), pad(valid, (1, 0), value=True)
        G = self._functions["G"]({"r_env": r, "ended": ended, "valid": counts})["G"]
        self.returns.merge(G[:, 1:][valid])
        self._carried = torch.where(ended[:, -1], 0.0, G[:, -1]).cpu()

    def state(self) -> dict[str, Any]:
        """Plain types and tensors."""
        seen = {path: entry.moments.state() for path, entry in self.entries.items()}
        return {"observation": seen, "returns": self.returns.state(), "carried": self._carried.clone()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from what :meth:`state` gave.

        Errors:
            DataError when it is of other observations.
        """
        if set(state["observation"]) != set(self.entries):
            raise DataError("the moments that were saved are of other observations than this agent's")
        for path, entry in self.entries.items():
            entry.set_state(state["observation"][path])
        self.returns.set_state(state["returns"])
        self._carried = state["carried"].clone()


def _entries(seen: Seen, path: str = "") -> dict[str, Entry]:
    """The arrays that have moments, by path."""
    if isinstance(seen, Entries):
        found: dict[str, Entry] = {}
        for name, part in seen.entries:
            found.update(_entries(part, f"{path}.{name}" if path else name))
        return found
    return {path: Entry(path, seen.shape)} if isinstance(seen, Observation) and not seen.is_image else {}


def _tree(seen: Seen, entries: dict[str, Entry], path: str = "") -> Any:
    """The entry of every array, or None, in the form of the observation."""
    if isinstance(seen, Entries):
        return {name: _tree(part, entries, f"{path}.{name}" if path else name) for name, part in seen.entries}
    return entries.get(path)


def _seen_by(entry: Entry | None, observation: Tensor) -> Tensor:
    return observation if entry is None else entry(observation)


def _as_seen(entry: Entry | None, observation: Tensor) -> Tensor:
    return observation if entry is None else entry.seen(observation)

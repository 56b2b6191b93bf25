"""Observations and rewards on a scale of about one, by what has been seen so far: formulas and running moments."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from probrl.envs import Entries, Observation, Seen
from probrl.errors import DataError
from probrl.expr import nodes as n
from probrl.expr.axes import BATCH, Axis
from probrl.expr.base import Expr
from probrl.expr.operators import constant, sqrt
from probrl.expr.traversal import substitute
from probrl.graph.function import Function
from probrl.nested import each, parts
from probrl.objectives.normalized import SMALL, normalized, running_return, scaled
from probrl.training.in_numpy import translated
from probrl.training.plain import Array

TIME = Axis("time", mask="valid")


class Moments:
    """Mean and variance of all numbers so far, in float64; those of some rows are merged in at once.

    Source: Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance".
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self.count = 0.0
        self.mean = torch.zeros(shape, dtype=torch.float64)
        self.variance = torch.ones(shape, dtype=torch.float64)  # before anything is seen, nothing is scaled

    def merge(self, rows: Tensor) -> None:
        """Takes in rows ``(n, *shape)``."""
        count = len(rows)
        if not count:
            return
        rows = rows.to("cpu", torch.float64)
        mean, total = rows.mean(0), self.count + count
        apart = mean - self.mean
        squares = rows.var(0, correction=0) * count + apart**2 * (self.count * count / total)
        self.variance = (squares + self.variance * self.count) / total
        self.mean = self.mean + apart * (count / total)
        self.count = total

    def state(self) -> dict[str, Any]:
        """Plain types and tensors."""
        return {"count": self.count, "mean": self.mean.clone(), "variance": self.variance.clone()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from what :meth:`state` gave."""
        if state["mean"].shape != self.mean.shape:
            raise DataError(f"moments of shape {tuple(state['mean'].shape)} do not fit {tuple(self.mean.shape)}")
        self.count = float(state["count"])
        self.mean, self.variance = state["mean"].clone(), state["variance"].clone()


class Entry:
    """One array that is seen, with its moments and its formula.

    Args:
        path: where it stands in a dict of arrays; "" where the observation is the array.
        shape: of one observation.
    """

    def __init__(self, path: str, shape: tuple[int, ...]) -> None:
        self.moments, self.rank = Moments(shape), len(shape)
        self.name = path.replace(".", "_")
        self._width, self._apply, _ = _lowered(self.rank)
        self._frozen: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def equations(self, axes: tuple[Axis, ...]) -> dict[str, Expr]:
        """What the columns of this array become."""
        whose = f"_{self.name}" if self.name else ""
        mean, variance = (n.Symbol(f"{x}_o{whose}", self.rank, (), None) for x in ("mean", "var"))
        rows = {f"s{whose}{of}": n.Symbol(f"o{whose}{of}", self.rank, axes, None) for of in ("", "_next")}
        return {name: normalized(row, mean, variance) for name, row in rows.items()}

    def __call__(self, observation: Tensor) -> Tensor:
        """Observations ``(..., *shape)`` by the moments as they are."""
        held = self._frozen.get(observation.device)
        if held is None:
            held = self._frozen[observation.device] = self._values(observation.device)
        seen = observation if observation.dtype is torch.float32 else observation.to(torch.float32)
        result: Tensor = self._apply(o=seen, mean=held[0], width=held[1])[0]
        return result

    def in_numpy(self) -> Callable[[Array], Array]:
        """The same over float32 arrays, by the moments as they are now: for acting without torch."""
        mean, width = (x.numpy() for x in self._values(torch.device("cpu")))
        apply = _lowered(self.rank)[2]
        return lambda observation: apply(o=observation, mean=mean, width=width)[0]

    def _values(self, device: torch.device) -> tuple[Tensor, Tensor]:
        (width,) = self._width(variance=self.moments.variance)
        return self.moments.mean.to(device, torch.float32), width.to(device, torch.float32)

    def thaw(self) -> None:
        """The moments have changed."""
        self._frozen.clear()


@cache
def _lowered(rank: int) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The formula of an observation: what stays the same during a rollout, and the rest in torch and in numpy."""
    o, (mean, variance, width) = (
        n.Symbol("o", rank, (BATCH,), None),
        (n.Symbol(x, rank, (), None) for x in ("mean", "variance", "width")),
    )
    root = sqrt(variance + SMALL)
    rest = substitute(normalized(o, mean, variance), {root: width})
    apply = Function({"s": rest})
    return Function({"width": root})._forward, apply._forward, translated(apply)


class Normalization:
    r"""What an agent does to observations and rewards before it looks at them.

    .. math:: s = \mathrm{clip}\Big(\frac{o - m}{\sqrt{v + 10^{-8}}}, -10, 10\Big), \qquad
              r = \mathrm{clip}\Big(\frac{r_{env}}{\sqrt{v_G + 10^{-8}}}, -10, 10\Big)

    m and v are the mean and variance of every observation before this rollout; v_G is the variance of the discounted sum
    of rewards so far in each episode, this rollout's included. During a rollout all of them stay as they are. Pictures
    and whole numbers that name classes are left alone; of a dict, each entry has moments of its own.

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
        seen = ["with mean and var of every o before this rollout"] if self.entries else []
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

    @torch.no_grad()
    def rollout(self, columns: dict[str, Any]) -> dict[str, Any]:
        """The columns of a rollout as the program reads them; then the moments take in what was seen."""
        valid, found = columns["valid"].bool(), dict(columns)
        if self.of_rewards:
            self._take_rewards(columns, valid)
            earned = {"r_env": columns["r"], "valid": valid, "var_G": self.returns.variance.to(columns["r"])}
            found["r"] = self._functions["r"](earned)["r"]
        observe = self.observe
        if observe is not None:
            found["s"], found["s_next"] = observe(columns["s"]), observe(columns["s_next"])
            arrays = dict(parts(columns["s"])) if isinstance(columns["s"], dict) else {"": columns["s"]}
            for path, entry in self.entries.items():
                entry.moments.merge(arrays[path][valid])
                entry.thaw()
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
            entry.moments.set_state(state["observation"][path])
            entry.thaw()
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

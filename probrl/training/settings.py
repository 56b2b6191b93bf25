"""How an algorithm is run, as opposed to what it computes."""

from __future__ import annotations

import difflib
import math
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from probrl.envs import VECTORIZATIONS, Wrapping
from probrl.errors import DataError

LARGEST = 2**62  # of seeds: generators take 64 bits, and evaluations add to it
SMALL = 200_000  # weights below which a second thread costs more than it brings, at the sizes of minibatches


@dataclass(frozen=True)
class Settings:
    """How an algorithm is run.

    Args:
        seed: seed of network weights, actions, minibatches and environments.
        device: torch device of the networks and updates, such as "cpu" or "cuda".
        backend: how updates run: "eager", "inductor" (compiled), or "auto" to choose.
        run: folder for metrics and checkpoints; None keeps metrics in memory and saves nothing.
        progress: whether to show a progress bar; None shows it if standard error is a terminal.
        threads: torch threads during training and evaluation; None uses one thread for small networks, which do not
            gain from more, and torch's own number otherwise.
        checkpoint_interval: environment steps between checkpoints in the run folder; None saves only one, at the
            end.
        eval_interval: environment steps between evaluations; None never evaluates. The best agent is kept in ``best``
            inside the run folder.
        eval_episodes: episodes per evaluation.
        stop_at: mean return at which training stops, taken from the latest evaluation if there are evaluations, else
            from the last hundred training episodes; None never stops early.
        tensorboard: whether to write a TensorBoard log into the run folder.
        plot: whether to draw the equations and learning curves into the run folder, if matplotlib is installed; None
            draws them after trainings of ten seconds or more, since drawing takes a second or two.
        vectorization: how copies of the environment step: "native", "sync", "async", or "auto", which is "native" where
            it exists and "sync" otherwise.
        wrappers: functions from environment to environment, applied to each copy in this order.
        env_kwargs: keyword arguments for the constructor of an environment given by its id.

    Errors:
        DataError for a seed that is not a whole number from 0 on, an unknown device or backend.
    """

    seed: int = 1
    device: str = "cpu"
    backend: str = "auto"
    run: str | None = None
    progress: bool | None = None
    threads: int | None = None
    checkpoint_interval: int | None = 20_000
    eval_interval: int | None = None
    eval_episodes: int = 20
    stop_at: float | None = None
    tensorboard: bool = False
    plot: bool | None = None
    vectorization: str = "auto"
    wrappers: Sequence[Wrapping] = ()
    env_kwargs: Mapping[str, Any] | None = None

    @property
    def making(self) -> dict[str, Any]:
        """How copies of the environment are made: what :func:`probrl.envs.make` is handed beside it and their number."""
        return {"vectorization": self.vectorization, "wrappers": self.wrappers, **(self.env_kwargs or {})}

    def threads_for(self, weights: int) -> int:
        """How many threads torch computes with for networks of so many weights."""
        if self.threads is not None:
            return self.threads
        return 1 if weights < SMALL else torch.get_num_threads()

    def __post_init__(self) -> None:
        counts = {"seed": 0, "eval_episodes": 0 if self.eval_interval is None else 1}
        counts |= {
            name: 1 for name in ("threads", "checkpoint_interval", "eval_interval") if getattr(self, name) is not None
        }
        for name, least in counts.items():
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least))
        if self.seed >= LARGEST:
            raise DataError(f"seed must be less than 2 ** 62, got {self.seed}")
        if self.vectorization not in VECTORIZATIONS:
            raise DataError(f"vectorization is {', '.join(map(repr, VECTORIZATIONS))}, not {self.vectorization!r}")
        if not isinstance(self.wrappers, Sequence) or not all(callable(one) for one in self.wrappers):
            raise DataError(f"wrappers is a list of callables from environment to environment, not {self.wrappers!r}")
        if self.env_kwargs is not None and not isinstance(self.env_kwargs, Mapping):
            raise DataError(f"env_kwargs is a dict of names and values, not {self.env_kwargs!r}")
        if self.stop_at is not None and (
            isinstance(self.stop_at, bool)
            or not isinstance(self.stop_at, (int, float))
            or not math.isfinite(self.stop_at)
        ):
            raise DataError(f"stop_at must be finite, got {self.stop_at!r}")
        if self.backend not in ("auto", "inductor", "aot_eager", "eager"):
            raise DataError(f"backend is 'auto', 'inductor' or 'eager', not {self.backend!r}")
        if self.run is not None and not isinstance(self.run, (str, os.PathLike)):
            raise DataError(f"run is the folder that is written to, as in run='runs/mine', not {self.run!r}")
        # what a checkpoint keeps is written in plain types
        object.__setattr__(self, "run", None if self.run is None else os.fspath(self.run))
        object.__setattr__(self, "device", usable(self.device))


def usable(device: Any) -> str:
    """The name of a device that torch computes on here.

    Errors:
        DataError saying what to write instead.
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise DataError(f"{device!r} is not a device: write 'cpu' or 'cuda'") from error
    if found.type == "cuda":
        if not torch.cuda.is_available():
            raise DataError(f"the device {str(found)!r} was asked for, but torch sees no GPU here: write 'cpu'")
        if (found.index or 0) >= (count := torch.cuda.device_count()):
            raise DataError(f"the device {str(found)!r} was asked for, but torch sees {count} GPUs here: write 'cuda'")
    elif found.type != "cpu":
        try:
            torch.Generator(found), torch.ones(1, device=found).item()
        except (RuntimeError, NotImplementedError) as error:
            raise DataError(f"torch cannot compute on {str(found)!r} here: write 'cpu' or 'cuda'") from error
    return str(found)


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Lets torch compute with so many threads, and afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def whole_number(name: str, value: object, least: int = 1) -> int:
    """The value as an int if it is a whole number of at least ``least``, numpy's included; else a DataError names it."""
    try:
        whole = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise DataError(f"{name} must be a whole number, got {value!r}") from None
    if isinstance(value, bool) or getattr(value, "dtype", None) in (bool, torch.bool):
        raise DataError(f"{name} must be a whole number, got {value!r}")
    if whole < least:
        raise DataError(f"{name} must be {'positive' if least == 1 else f'at least {least}'}, got {whole}")
    return whole


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"

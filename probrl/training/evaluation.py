"""How good a policy is: returns of whole episodes, with statistics that say how sure one may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probrl.envs import Environments
from probrl.errors import NonFiniteError
from probrl.nested import parts
from probrl.training.observing import to_tensors


@dataclass(frozen=True)
class Evaluation:
    """Returns of evaluation episodes.

    Attributes:
        mean: of the returns.
        std: their population standard deviation.
        iqm: their interquartile mean, the mean of the middle half.
        interval: 95 % bootstrap interval of the mean.
        returns: the sum of rewards of each episode, undiscounted.
        lengths: how many steps each took.
        deterministic: whether the likeliest action was taken, or a draw.
    """

    mean: float
    std: float
    iqm: float
    interval: tuple[float, float]
    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    deterministic: bool = True

    def __str__(self) -> str:
        low, high = self.interval
        how = "deterministic" if self.deterministic else "stochastic"
        return (
            f"return {self.mean:.1f} ± {self.std:.1f} (IQM {self.iqm:.1f}, 95 % interval {low:.1f} to {high:.1f}; "
            f"{len(self.returns)} episodes of {np.mean(self.lengths):.0f} steps, {how})"
        )


def interquartile_mean(values: np.ndarray) -> float:
    """The mean of what is left when the least and the greatest quarter are cut off.

    Example:
        >>> interquartile_mean(np.array([0.0, 1.0, 3.0, 100.0]))
        2.0
    """
    cut = len(values) // 4
    return float(np.sort(values)[cut : len(values) - cut].mean())


def bootstrap_interval(*groups: np.ndarray, level: float = 0.95, samples: int = 2000) -> tuple[float, float]:
    """Percentile interval of the mean over resamples with replacement; the resamples are the same at every call.

    Args:
        groups: values; each group is resampled within itself (stratified) and counts by its size.
        level: how much of the resamples' means lies inside.
        samples: how many resamples.

    Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice".
    """
    random, total = np.random.default_rng(0), np.zeros(samples)
    for values in groups:
        at_once = max(1, 1_000_000 // len(values))  # many episodes would need much memory
        for start in range(0, samples, at_once):
            draws = random.integers(len(values), size=(min(at_once, samples - start), len(values)))
            total[start : start + at_once] += values[draws].sum(axis=1)
    means = total / sum(map(len, groups))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def summarise(returns: list[float], lengths: list[int], deterministic: bool = True) -> Evaluation:
    """The statistics of some episodes."""
    return _summary([np.array(returns, dtype=np.float64)], lengths, deterministic)


def pooled(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The statistics of several evaluations together, the interval stratified: each is resampled within itself."""
    groups = [np.array(one.returns, dtype=np.float64) for one in evaluations]
    lengths = [length for one in evaluations for length in one.lengths]
    return _summary(groups, lengths, all(one.deterministic for one in evaluations))


def _summary(groups: list[np.ndarray], lengths: list[int], deterministic: bool) -> Evaluation:
    values = np.concatenate(groups)
    return Evaluation(
        mean=float(values.mean()),
        std=float(values.std()),
        iqm=interquartile_mean(values),
        interval=bootstrap_interval(*groups),
        returns=tuple(values.tolist()),
        lengths=tuple(lengths),
        deterministic=deterministic,
    )


@torch.no_grad()
def play(
    environments: Environments,
    choose: Callable[[Tensor], Tensor],
    episodes: int,
    seed: int | None = None,
    device: str = "cpu",
) -> tuple[list[float], list[int]]:
    """Returns and lengths of whole episodes.

    Every environment plays a fixed number of them, so that short episodes are not counted more often than long ones.

    Errors:
        NonFiniteError if a return or an observation is NaN or infinite.
    """
    n = environments.num_envs
    quota = np.array([episodes // n + (i < episodes % n) for i in range(n)])
    returns: list[list[float]] = [[] for _ in range(n)]
    lengths: list[list[int]] = [[] for _ in range(n)]
    total, length = np.zeros(n), np.zeros(n, dtype=np.int64)
    observation = environments.reset(seed)
    _refuse_non_finite(environments, observation, f"at the reset before step {environments.steps}")
    while quota.any():
        seen = to_tensors(environments.spaces.observation, observation, device)
        step = environments.step(choose(seen).cpu().numpy())
        total += step.reward
        length += step.valid
        observation = step.observation
        _refuse_non_finite(environments, observation, f"at step {environments.steps - 1}")
        ended = step.terminated | step.truncated
        for i in np.flatnonzero(ended):
            if quota[i]:
                quota[i] -= 1
                returns[i].append(float(total[i]))
                lengths[i].append(int(length[i]))
            total[i], length[i] = 0.0, 0
    flat = [x for per_env in returns for x in per_env]
    if not np.isfinite(flat).all():
        bad = next(x for x in flat if not np.isfinite(x))
        raise NonFiniteError(f"{environments.name} gave an episode the return {bad}")
    return flat, [x for per_env in lengths for x in per_env]


def _refuse_non_finite(environments: Environments, observation: Any, when: str) -> None:
    for name, array in parts(observation):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            env = int(np.argwhere(~np.isfinite(array))[0][0])
            what = f"the observation's {name!r}" if name else "the observation"
            raise NonFiniteError(f"{environments.name}: {what} is not finite in environment {env} {when}")

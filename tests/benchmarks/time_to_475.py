"""Seconds until the last 20 training episodes of CartPole have a mean return of 475, everything after imports counted.

python -m tests.benchmarks.time_to_475 [--seeds 1 2 3] [--option name=value ...]

Stable-Baselines3 runs with the settings of its zoo, our PPO with larger steps in fewer epochs: sooner there than with what
is usual for CartPole, and less steady at the end of 50,000 steps, which is why it is not the default. Both sides stop by
the same rule and take turns, seed by seed.
"""

from __future__ import annotations

import argparse
import ast
import math
import os
import statistics
import time
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import probrl as pr
from tests.benchmarks import sb3

ENV, GOAL, EPISODES, MOST = "CartPole-v1", 475.0, 20, 100_000
OURS = {"num_envs": 10, "update_epochs": 6, "learning_rate": 5e-3, "gae_lambda": 0.9}  # else the defaults


class Run(NamedTuple):
    """How long a learning took, in seconds of the clock and of the processor; infinite where it never got there."""

    seconds: float
    processor: float
    steps: int


def ours(seed: int, **options: Any) -> Run:
    def enough(trainer: Any) -> bool:
        returns = list(trainer.environments.episodes.returns)[-EPISODES:]
        return not (len(returns) == EPISODES and sum(returns) / EPISODES >= GOAL)

    start, processor = time.perf_counter(), time.process_time()
    agent = pr.PPO(ENV, seed=seed, progress=False, **options)
    agent.learn(MOST, callback=enough)
    return ended(start, processor, agent.timesteps)


def theirs(seed: int) -> Run:
    from stable_baselines3.common.callbacks import BaseCallback

    class Enough(BaseCallback):
        def _on_step(self) -> bool:
            returns = [episode["r"] for episode in self.model.ep_info_buffer][-EPISODES:]
            return not (len(returns) == EPISODES and sum(returns) / EPISODES >= GOAL)

    start, processor = time.perf_counter(), time.process_time()
    model = sb3.model(
        "PPO", ENV, 8, seed, gamma=0.98, n_steps=32, batch_size=256, n_epochs=20, gae_lambda=0.8, ent_coef=0.0,
        learning_rate=sb3.falling(1e-3), clip_range=sb3.falling(0.2),
    )  # fmt: skip
    model.learn(MOST, callback=Enough())
    return ended(start, processor, model.num_timesteps)


def ended(start: float, processor: float, steps: int) -> Run:
    late = steps >= MOST
    taken = time.perf_counter() - start, time.process_time() - processor
    return Run(math.inf, math.inf, steps) if late else Run(*taken, steps)


def options(texts: list[str]) -> dict[str, Any]:
    """``["gamma=0.98"]`` as a dict."""
    return {name: ast.literal_eval(value) for name, value in (text.split("=", 1) for text in texts)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--option", nargs="*", help="of our PPO, as in num_steps=64; without a value its defaults")
    parser.add_argument("--alone", action="store_true", help="leave Stable-Baselines3 out")
    given = parser.parse_args()
    torch.set_num_threads(1)
    both = not given.alone and sb3.installed()
    found: dict[str, list[Run]] = {"ours": [], "Stable-Baselines3": []}
    for seed in given.seeds:
        found["ours"].append(ours(seed, **(OURS if given.option is None else options(given.option))))
        if both:
            found["Stable-Baselines3"].append(theirs(seed))
        for name, runs in found.items():
            if runs:
                run = runs[-1]
                print(
                    f"seed {seed}  {name:18} {run.seconds:6.2f} s, processor {run.processor:6.2f} s, {run.steps} steps",
                    flush=True,
                )
    if both:
        for field in ("seconds", "processor"):
            mean = {name: statistics.fmean(getattr(run, field) for run in runs) for name, runs in found.items()}
            share = mean["ours"] / mean["Stable-Baselines3"]
            print(f"{field}: ours over Stable-Baselines3 {share:.2f} (load {os.getloadavg()[0]:.1f})")


if __name__ == "__main__":
    main()

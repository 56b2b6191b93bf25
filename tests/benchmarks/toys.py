"""How near generative models come to two-dimensional data: the distance of samples over that between samples of the data.

python -m tests.benchmarks.toys [SEED ...] [--data NAME ...]

Every number is the mean of ten pairs of 2,000 points, by 200 projections: of samples with fresh data, and of data with
fresh data. 1.0 is perfect.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Generator, Tensor

import probrl as pr
from probrl.data.toys import Toy, toy
from probrl.statistics import sliced_wasserstein

POINTS, PAIRS, PROJECTIONS = 2000, 10, 200
SOLVED = {"solver": "heun", "steps_of_solver": 30}
NETWORK = {"hidden": (128, 128, 128)}
MODELS = {
    "VP, noise": pr.Recipe(
        "diffusion", path="linear_vp", predicts="noise", solver="dpm", steps_of_solver=40, **NETWORK
    ),
    "GVP, velocity": pr.Recipe("diffusion", path="gvp", predicts="velocity", weight="velocity", **SOLVED, **NETWORK),
    "linear flow": pr.Recipe("flow", **SOLVED, **NETWORK),
    "OT flow": pr.Recipe("flow", coupling="ot", **SOLVED, **NETWORK),
    "bridge": pr.Recipe("bridge", coupling="ot", **SOLVED, **NETWORK),
}
STEPS = {"OT flow": 8000, "bridge": 12_000}  # a coupling takes longer than a step of the network
BATCH = {"OT flow": 256, "bridge": 128}
USUAL_STEPS, USUAL_BATCH = 10_000, 512


def distance(draw: Any, data: Toy, generator: Generator) -> float:
    """The mean distance of ten samples from as many of the data."""
    found = [
        float(sliced_wasserstein(draw(), data.sample(POINTS, generator), projections=PROJECTIONS, generator=generator))
        for _ in range(PAIRS)
    ]
    return statistics.mean(found)


def fitted(name: str, data: str, seed: int) -> tuple[float, float]:
    """The ratio that a model reaches, and the seconds that it learned."""
    start = time.perf_counter()
    batch = BATCH.get(name, USUAL_BATCH)
    rate = 2e-3 * (0.5 + 0.5 * pr.cos(math.pi * pr.progress))
    trainer = pr.GenerativeTrainer(MODELS[name], data=data, optimizer=pr.Adam(rate), batch_size=batch, seed=seed)
    trainer.learn(STEPS.get(name, USUAL_STEPS))
    seconds = time.perf_counter() - start
    generator, source = Generator().manual_seed(1000 + seed), toy(data)

    def draw() -> Tensor:
        found: Tensor = trainer.sample(n=POINTS)["x"]
        return found

    own = distance(draw, source, generator)
    return own / distance(lambda: source.sample(POINTS, generator), source, generator), seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--data", nargs="+", default=["swiss_roll"])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for data in chosen.data:
        for name in chosen.models:
            for seed in chosen.seeds:
                ratio, seconds = fitted(name, data, seed)
                print(f"{data:16} {name:14} seed {seed}  ratio {ratio:.2f}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()

"""How near generative models come to two-dimensional data: the distance of samples over that between samples of the data.

python -m tests.benchmarks.toys [SEED ...] [--data NAME ...] [--models NAME ...] [--write FILE]

A distance is sliced Wasserstein's, of 2,000 points to 2,000 held-out ones, by 200 projections. Held-out points are drawn from
the data's distribution, never seen in training, and every pair is of fresh samples on both sides. A ratio is the mean distance
of a model's samples over the mean distance of as many samples of the data to the same held-out points: 1.0 is perfect.

``ratio`` is of ten pairs. Two samples of the data are now near and now far from each other (the distance of one pair varies by
30 %), so that the data's own ratio, of ten pairs by ten others, is 1.0 give or take 0.1 and more; the last lines say what nine in
ten data samples get. ``exact`` is therefore the mean of 20 pairs over the data's mean of 400.
Rows are kept in docs/measured/toys.json, with the seconds of the clock and those of the processor that learning took.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Generator, Tensor

import probrl as pr
from probrl.data.toys import toy
from probrl.statistics import sliced_wasserstein

POINTS, PROJECTIONS = 2000, 200
PAIRS, MORE, MOST = 10, 20, 200  # of the ratio that is asked for, of a model for the exact one, and of the data
SOLVED = {"solver": "heun", "steps_of_solver": 20}
NETWORK = {"hidden": (128, 128, 128)}
MODELS = {
    "VP, noise": pr.Recipe(
        "diffusion", path="linear_vp", predicts="noise", solver="heun", steps_of_solver=30, **NETWORK
    ),
    "GVP, velocity": pr.Recipe("diffusion", path="gvp", predicts="velocity", weight="velocity", **SOLVED, **NETWORK),
    "linear flow": pr.Recipe("flow", **SOLVED, **NETWORK),
    "OT flow": pr.Recipe("flow", coupling="ot", **SOLVED, **NETWORK),
    "bridge": pr.Recipe("bridge", coupling="ot", **SOLVED, **NETWORK),
}
DATA = ("swiss_roll", "two_moons", "checkerboard", "eight_gaussians")
STEPS, BATCH = 6_000, 256
SAME = ("data", "model", "seed")  # what tells one row from another
COUPLED = 128  # points that are assigned to each other: four times as many take sixteen times as long


def distance(points: Tensor, held: Tensor, directions: int) -> float:
    """The distance of one pair, by directions from a seed."""
    generator = Generator().manual_seed(directions)
    return float(sliced_wasserstein(points, held, projections=PROJECTIONS, generator=generator))


def distances(draw: Callable[[], Tensor], data: str, seed: int, pairs: int) -> list[float]:
    """Of fresh samples to held-out points, which are the same for everything that is compared at a seed."""
    generator, source = Generator().manual_seed(1000 + seed), toy(data)
    return [distance(draw(), source.sample(POINTS, generator), pair) for pair in range(pairs)]


def own(data: str, seed: int, pairs: int) -> list[float]:
    """Of other samples of the data to the same held-out points."""
    generator, source = Generator().manual_seed(2000 + seed), toy(data)
    return distances(lambda: source.sample(POINTS, generator), data, seed, pairs)


@cache
def known(data: str) -> tuple[float, float, float]:
    """The data's own distance, and between what ratios of ten pairs nine in ten of its samples come, by chance alone."""
    found, other = own(data, 7, MOST), own(data, 8, MOST)
    means = [[statistics.mean(v[i : i + PAIRS]) for i in range(0, MOST, PAIRS)] for v in (found, other)]
    ratios = sorted(a / b for a, b in zip(*means, strict=True))
    return statistics.mean(found + other), ratios[len(ratios) // 20], ratios[-1 - len(ratios) // 20]


def fitted(name: str, data: str, seed: int, backend: str) -> tuple[Any, float, float]:
    """The trainer, the seconds that it took to make and fit it, and those of the processor."""
    start, worked = time.perf_counter(), time.process_time()
    rate = 2e-3 * (0.5 + 0.5 * pr.cos(math.pi * pr.progress))
    batch = BATCH if MODELS[name].coupling is None else COUPLED
    trainer = pr.GenerativeTrainer(
        MODELS[name], data=data, optimizer=pr.Adam(rate), batch_size=batch, seed=seed, backend=backend
    )
    trainer.learn(STEPS)
    return trainer, time.perf_counter() - start, time.process_time() - worked


def measured(name: str, data: str, seed: int, backend: str) -> dict[str, Any]:
    """One row of the table."""
    trainer, seconds, worked = fitted(name, data, seed, backend)
    found = distances(lambda: trainer.sample(n=POINTS)["x"], data, seed, MORE)
    return {
        "data": data,
        "model": name,
        "seed": seed,
        "ratio": round(statistics.mean(found[:PAIRS]) / statistics.mean(own(data, seed, PAIRS)), 3),
        "exact": round(statistics.mean(found) / known(data)[0], 3),
        "seconds": round(seconds),
        "processor": round(worked),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The greatest ratio and time of each model on each data set."""
    lines = [f"{'':16} {'':14} {'ratio':>6} {'exact':>6} {'seconds':>8}   the greatest of the seeds"]
    for data, name in dict.fromkeys((row["data"], row["model"]) for row in rows):
        those = [row for row in rows if (row["data"], row["model"]) == (data, name)]
        ratio, exact, seconds = (max(row[key] for row in those) for key in ("ratio", "exact", "seconds"))
        lines.append(f"{data:16} {name:14} {ratio:6.2f} {exact:6.2f} {seconds:8}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--backend", default="auto")
    parser.add_argument(
        "--write", type=Path, help="a JSON file that rows are added to; those that it has are not made again"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    stored = json.loads(chosen.write.read_text())["rows"] if chosen.write and chosen.write.exists() else []
    known_rows = {tuple(row[key] for key in SAME): row for row in stored}
    rows: list[dict[str, Any]] = []
    for seed, data, name in itertools.product(chosen.seeds, chosen.data, chosen.models):
        row = known_rows.get((data, name, seed)) or measured(name, data, seed, chosen.backend)
        rows.append(row)
        print(" ".join(f"{v:<15}" if isinstance(v, str) else f"{v:8}" for v in row.values()), flush=True)
        if chosen.write:
            keep(chosen.write, row)
    print(table(rows))
    for data in chosen.data:
        print(
            f"{data}: nine in ten samples of the data itself have ratios from {known(data)[1]:.2f} to {known(data)[2]:.2f}"
        )


def keep(file: Path, row: dict[str, Any]) -> None:
    """Adds a row to a file, in the place of an earlier one of the same model, data and seed."""
    stored = json.loads(file.read_text()) if file.exists() else {"rows": [], "data": {}}
    stored["rows"] = [r for r in stored["rows"] if any(r[k] != row[k] for k in SAME)] + [row]
    stored["data"][row["data"]] = dict(
        zip(("distance", "low", "high"), (round(v, 4) for v in known(row["data"])), strict=True)
    )
    rows = ",\n  ".join(json.dumps(r) for r in stored["rows"])
    file.write_text(f'{{"rows": [\n  {rows}],\n "data": {json.dumps(stored["data"])}}}\n')


if __name__ == "__main__":
    main()

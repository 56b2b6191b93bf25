"""Kills a training process at some moment, resumes it, and compares with the run that nobody killed.

``python -m tests.training.killing`` does so at twenty random moments.
"""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from probrl.cli import main
from probrl.training import load

STEPS, INTERVAL, PER_UPDATE = 4096, 256, 64
TRAIN = [
    "train", "ppo", "--total-timesteps", str(STEPS), "--num-envs", "4", "--num-steps", "16", "--update-epochs", "2",
    "--checkpoint-interval", str(INTERVAL), "--eval-episodes", "0", "--run",
]  # fmt: skip
TIMED = ("seconds", "steps_per_second")


def result(folder: Path) -> tuple[dict[str, torch.Tensor], list[dict], list[dict]]:
    """What a run came to: weights and both tables of metrics, without what a clock fills."""
    agent = load(folder)
    weights = {f"{n}.{k}": v for n, m in agent.networks().items() for k, v in m.state_dict().items()}
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    table = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    for row in [*rows, *table]:
        for name in TIMED:
            del row[name]
    return weights, rows, table


def equal(one: tuple, other: tuple) -> bool:
    """Whether two results are the same to the last bit."""
    weights = one[0].keys() == other[0].keys() and all(torch.equal(one[0][k], other[0][k]) for k in one[0])
    return weights and one[1:] == other[1:]


def killed_at(share: float, delay: float, folder: Path, env_id: str = "CartPole-v1") -> tuple[int, int]:
    """Starts a run and kills it with signal 9.

    Args:
        share: of the updates that are done before it is killed.
        delay: seconds after that.
        folder: of the run.
        env_id: what is played.

    Returns:
        The steps that were learned from and those that the checkpoint has.
    """
    words = [*TRAIN, str(folder), "--env-id", env_id]
    command = [sys.executable, "-c", f"import sys; from probrl.cli import main; sys.exit(main({words!r}))"]
    metrics, updates = folder / "metrics.jsonl", STEPS // PER_UPDATE
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while not (folder / "manifest.json").exists() or metrics.read_bytes().count(b"\n") < share * updates:
            if process.poll() is not None:
                raise RuntimeError(f"the run ended by itself with {process.returncode}")
            time.sleep(0.001)
        time.sleep(delay)
        process.kill()
        if process.wait() != -signal.SIGKILL:
            raise RuntimeError("the run was over before it was killed")
    learned = metrics.read_bytes().count(b"\n") * PER_UPDATE
    return learned, load(folder).timesteps


def at_random_moments(count: int, env_id: str, seed: int) -> None:
    """Prints what came of so many kills."""
    draws, good = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole"
        assert main([*TRAIN, str(whole), "--env-id", env_id]) == 0
        expected = result(whole)
        for i in range(count):
            folder = Path(scratch) / str(i)
            learned, kept = killed_at(draws.uniform(0, 0.95), draws.uniform(0, 0.03), folder, env_id)
            code = main(["resume", str(folder)])
            same = code == 0 and equal(result(folder), expected) and learned - kept <= INTERVAL + PER_UPDATE
            good += same
            print(f"{i + 1}: killed after {learned} steps, {kept} kept, {'equal' if same else 'NOT EQUAL'}", flush=True)
    print(f"{env_id}: {good} of {count} bit-equal")


if __name__ == "__main__":
    for name in sys.argv[1:] or ["CartPole-v1"]:
        at_random_moments(20, name, seed=1)

"""Runs that are interrupted, and what they are compared by."""

import csv
import json

import pytest
import torch

TIMED = ("seconds", "steps_per_second")
SMALL = {"num_envs": 2, "num_steps": 16, "progress": False, "seed": 3, "checkpoint_interval": 64}


class Stopped(Exception):
    """What a power cut is in these tests."""


def cut_at(steps):
    def callback(trainer):
        if trainer.agent.timesteps >= steps:
            raise Stopped

    return callback


def differing(a, b, where="state"):
    """Where two nested states differ in a bit."""
    if "_space.space" in where:  # spaces draw from generators of their own, which nobody seeds or uses
        return []
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [found for k in a for found in differing(a[k], b[k], f"{where}.{k}")]
    if isinstance(a, (list, tuple)) and len(a) == len(b):
        return [found for i, (x, y) in enumerate(zip(a, b, strict=True)) for found in differing(x, y, f"{where}.{i}")]
    if isinstance(a, torch.Tensor):
        return [] if torch.equal(a, b) else [where]
    return [] if a == b or (a != a and b != b) else [f"{where}: {a} and {b}"]


def weights(agent):
    return {f"{n}.{k}": v for n, m in agent.networks().items() for k, v in m.state_dict().items()}


def going_on(agent):
    """All that is kept besides weights, but for the streams that no run has for itself."""
    return {name: part for name, part in agent.state().items() if name != "streams"}


def lines(folder):
    """Both files of metrics, without the columns that a clock fills."""
    table = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [[{k: v for k, v in row.items() if k not in TIMED} for row in kind] for kind in (rows, table)]


def assert_same_run(a, b, first, second):
    assert differing(weights(a), weights(b)) == differing(going_on(a), going_on(b)) == []
    assert lines(first) == lines(second)
    assert (a.timesteps, a.iteration, a.goal) == (b.timesteps, b.iteration, b.goal)


def interrupted(build, folder, steps=288, at=160):
    """A run that was cut between two checkpoints."""
    with pytest.raises(Stopped):
        build(run=str(folder)).learn(steps, callback=cut_at(at))


PPO = {"num_minibatches": 2, "update_epochs": 2, **SMALL}

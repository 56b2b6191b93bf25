"""Whatever ends a run, its last checkpoint stands, and nobody else writes to its folder."""

import os
import signal
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch

import probrl as pr
from probrl.errors import CheckpointError, DataError, EnvironmentError, NonFiniteError
from probrl.training import agent_of, load, resume, storage
from probrl.training.catalogue import algorithm_class, algorithm_names
from probrl.training.lock import LOCK, FolderLock
from tests.training.interrupted import PPO, SMALL, assert_same_run, differing, interrupted, weights


# --- one folder, one run -----------------------------------------------------------------------------------------
def test_two_at_once_are_refused(tmp_path):
    folder = tmp_path / "run"
    agent = pr.PPO("CartPole-v1", run=str(folder), **PPO)
    seen = []

    def other(trainer):
        with pytest.raises(CheckpointError, match=r"is learning in .*own run folder") as caught:
            resume(folder)
        with pytest.raises(CheckpointError, match="is learning in"):
            pr.PPO("CartPole-v1", **PPO).save(folder)
        seen.append(str(caught.value))

    agent.learn(64, callback=other)
    assert len(seen) == 2 and "\n" not in seen[0]
    assert resume(folder, total_timesteps=96).timesteps == 96
    with pytest.raises(CheckpointError, match="another agent has learned in"):
        agent.learn(32)
    with pytest.raises(CheckpointError, match="another agent has learned in"):
        agent.save(folder)
    assert load(folder).timesteps == 96


def test_another_process_is_named_and_its_lock_dies_with_it(tmp_path):
    pr.PPO("CartPole-v1", run=str(tmp_path), **PPO).learn(32)
    hold = f"import sys, time; from probrl.training.lock import FolderLock as L; from pathlib import Path\nL(Path({str(tmp_path)!r})).take(); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(CheckpointError, match=rf"another process \(number {process.pid}\) is learning in .*: wait"):
            resume(tmp_path, total_timesteps=64)
        process.kill()
        process.wait()
    assert (tmp_path / LOCK).exists() and resume(tmp_path, total_timesteps=64).timesteps == 64


def test_a_folder_of_another_algorithm_is_not_replaced(tmp_path):
    others = [name for name in algorithm_names() if name != "ppo"]
    pr.PPO("CartPole-v1", **PPO).save(tmp_path)
    for name in others:
        with pytest.raises(CheckpointError, match=f"holds a run of 'ppo', not of '{name}'"):
            agent_of(algorithm_class(name))("CartPole-v1", **SMALL).save(tmp_path)


def test_an_agent_of_another_environment_is_not_replaced_unless_that_is_said(tmp_path):
    pr.PPO("CartPole-v1", **PPO).save(tmp_path)
    pr.PPO("CartPole-v1", **{**PPO, "seed": 2}).save(tmp_path)  # such a run may be replaced
    other = pr.PPO("Acrobot-v1", **PPO)
    with pytest.raises(CheckpointError, match=r"in 'CartPole-v1', not in 'Acrobot-v1': .*save\(path, replace=True\)"):
        other.save(tmp_path)
    unnamed = pr.PPO(lambda: gymnasium.make("Acrobot-v1"), **PPO)
    with pytest.raises(CheckpointError, match="holds a run in an environment with other spaces"):
        unnamed.save(tmp_path)
    assert load(tmp_path).env == "CartPole-v1"
    other.save(tmp_path, replace=True)
    assert load(tmp_path).env == "Acrobot-v1"


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    agent = pr.PPO("CartPole-v1", run=str(tmp_path), **PPO).learn(32)
    for name in ("weights-0123456789ab.safetensors", ".state-0123456789ab.pt.abc_12.new", ".metrics.csv.xyz.new"):
        (tmp_path / name).write_text("half")
    (tmp_path / "notes.txt").write_text("mine")
    agent.learn(32)
    left = {f.name for f in tmp_path.iterdir()}
    assert "notes.txt" in left and not any(name.endswith(".new") or "0123456789ab" in name for name in left)


# --- what goes wrong ---------------------------------------------------------------------------------------------
class Faulty(gymnasium.Wrapper):
    """Goes wrong at one step as long as it is out of order, which is no part of its state."""

    out_of_order = True

    def __init__(self, how):
        super().__init__(gymnasium.make("CartPole-v1"))
        self.how, self.played = how, 0

    def step(self, action):
        seen, reward, terminated, truncated, info = super().step(action)
        self.played += 1
        if self.played == 70 and Faulty.out_of_order:
            if self.how == "raise":
                raise RuntimeError("the simulator fell over")
            reward = float("nan") if self.how == "reward" else reward
            seen = seen * np.nan if self.how == "observation" else seen
        return seen, reward, terminated, truncated, info


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [("raise", EnvironmentError, "environment 0 raised RuntimeError"), ("reward", NonFiniteError, "reward"),
     ("observation", NonFiniteError, "observation")],
)  # fmt: skip
def test_a_broken_environment_ends_the_run_and_it_goes_on(how, error, said, tmp_path, monkeypatch):
    def build(run):
        return pr.PPO(lambda: Faulty(how), run=str(tmp_path / run), **PPO)

    with pytest.raises(error, match=said) as caught:
        build("cut").learn(288)
    assert "environment 0" in str(caught.value) and "step" in str(caught.value)
    assert load(tmp_path / "cut").timesteps == 128
    monkeypatch.setattr(Faulty, "out_of_order", False)
    whole = build("whole").learn(288)
    assert_same_run(whole, resume(tmp_path / "cut", env=lambda: Faulty(how)), tmp_path / "whole", tmp_path / "cut")


def test_a_broken_parameter_is_named_and_never_kept(tmp_path):
    folder = tmp_path / "run"
    agent = pr.PPO("CartPole-v1", run=str(folder), **{**PPO, "checkpoint_interval": 32})

    def breaks(trainer):
        if trainer.agent.timesteps == 96:
            with torch.no_grad():
                next(trainer.agent.actor.parameters())[0] = float("inf")

    with pytest.raises(NonFiniteError, match=r"the parameter actor\..* is not finite at step 96"):
        agent.learn(288, callback=breaks)
    assert load(folder).timesteps == 64 and resume(folder).timesteps == 288


def full_disk(monkeypatch, after):
    """From some write on, there is no room."""
    real, count = os.fsync, [0]

    def fsync(handle):
        count[0] += 1
        if count[0] > after:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("after", [12, 13, 14])
def test_a_full_disk_leaves_the_last_checkpoint(after, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    agent = pr.PPO("CartPole-v1", run=str(folder), **PPO)
    full_disk(monkeypatch, after)
    with pytest.raises(CheckpointError, match="cannot be written: No space left on device"):
        agent.learn(640)
    monkeypatch.undo()
    assert len([*folder.glob("weights-*"), *folder.glob("state-*")]) == 2
    kept = load(folder).timesteps
    assert kept < 640 and kept % 64 == 0
    assert resume(folder).timesteps == 640


def test_metrics_on_a_full_disk(tmp_path, monkeypatch):
    import builtins

    folder = tmp_path / "run"
    agent = pr.PPO("CartPole-v1", run=str(folder), **PPO)
    real = open

    def full(file, mode="r", *more, **options):
        if "a" in mode and agent.timesteps == 96:
            raise OSError(28, "No space left on device", str(file))
        return real(file, mode, *more, **options)

    monkeypatch.setattr(builtins, "open", full)
    with pytest.raises(DataError, match=r"metrics.jsonl' cannot be written: No space left on device"):
        agent.learn(640)
    monkeypatch.undo()
    assert load(folder).timesteps == 64 and resume(folder, total_timesteps=128).timesteps == 128


def test_a_folder_that_may_not_be_written_to(tmp_path, monkeypatch):
    real = os.open

    def refused(path, flags, *more, **options):
        if str(path).startswith(str(tmp_path / "run")) and flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(CheckpointError, match=r"run' cannot be written: Permission denied"):
        pr.PPO("CartPole-v1", run=str(tmp_path / "run"), **PPO)


def test_a_lock_is_given_back_however_the_learning_ends(tmp_path):
    interrupted(lambda run: pr.PPO("CartPole-v1", run=run, **PPO), tmp_path / "run")
    with FolderLock(tmp_path / "run"):
        pass


def test_an_interrupted_learning_ends_at_an_update_and_goes_on():
    def pressed(trainer):
        if trainer.agent.timesteps == 96:
            signal.raise_signal(signal.SIGINT)

    whole, agent = pr.PPO("CartPole-v1", **PPO).learn(288), pr.PPO("CartPole-v1", **PPO)
    with pytest.raises(KeyboardInterrupt, match=r"interrupted at step 96$"):
        agent.learn(288, callback=pressed)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    agent.learn(192)
    assert differing(weights(whole), weights(agent)) == []


def test_a_second_interruption_stops_at_once():
    def pressed(trainer):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt):
        pr.PPO("CartPole-v1", **PPO).learn(288, callback=pressed)


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    agent = pr.PPO("CartPole-v1", run=str(tmp_path), **PPO).learn(32)
    real, late = storage.read, []

    def slow(folder, manifest):
        if not late:
            late.append(agent.learn(32))
        return real(folder, manifest)

    monkeypatch.setattr(storage, "read", slow)
    assert load(tmp_path).timesteps == 64

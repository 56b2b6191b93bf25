"""Nothing is lost: an interrupted run that goes on is the uninterrupted one, whatever ended it."""

import csv
import json
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
from probrl.training.checkpoint import describe
from probrl.training.lock import LOCK, FolderLock
from tests.envs.known import Clock, Echo
from tests.training import killing

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


# --- the law -----------------------------------------------------------------------------------------------------
CASES = [(name, "CartPole-v1") for name in algorithm_names()] + [("ppo", "Pendulum-v1"), ("ppo", "Acrobot-v1")]


@pytest.mark.parametrize(("name", "env"), CASES)
def test_a_resumed_run_is_the_uninterrupted_one(name, env, tmp_path):
    def build(run):
        return agent_of(algorithm_class(name))(env, run=run, **SMALL)

    whole = build(str(tmp_path / "whole")).learn(288)
    interrupted(build, tmp_path / "cut")
    assert len(lines(tmp_path / "cut")[0]) == 5 and load(tmp_path / "cut").timesteps == 128
    assert_same_run(whole, resume(tmp_path / "cut"), tmp_path / "whole", tmp_path / "cut")


PPO = {"num_minibatches": 2, "update_epochs": 2, **SMALL}
VARIANTS = {
    "value clip, early stop": {"clip_vloss": True, "target_kl": 0.001, "ent_coef": 0.01},
    "no schedules": {"anneal_lr": False, "anneal_clip": False},
    "schedules as formulas": {"learning_rate": 1e-3 * (1 - pr.progress) ** 2, "anneal_lr": False},
    "normalised": {"norm_obs": True, "norm_reward": True},
    "one encoder": {"shared_encoder": True, "norm_obs": True},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_variants_of_ppo_go_on_bit_for_bit(options, tmp_path):
    def build(run):
        return pr.PPO("CartPole-v1", run=run, **PPO, **options)

    whole = build(str(tmp_path / "whole")).learn(288)
    interrupted(build, tmp_path / "cut")
    assert_same_run(whole, resume(tmp_path / "cut"), tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("env", [Echo, lambda: Clock((3, 2))], ids=["own", "callable"])
def test_environments_of_ones_own_go_on(env, tmp_path):
    def build(run):
        return pr.PPO(env, run=run, **PPO)

    whole = build(str(tmp_path / "whole")).learn(288)
    interrupted(build, tmp_path / "cut")
    assert_same_run(whole, resume(tmp_path / "cut", env=env), tmp_path / "whole", tmp_path / "cut")


def test_parts_of_ones_own_go_on_from_python(tmp_path):
    def curious(declared):
        s = pr.symbols("s", axes=pr.Axis("time", mask="valid"))
        torch.manual_seed(11)
        noise = pr.Normal("z | s", pr.mlp(4, 8, 2), name="q", scale="free")
        return declared.loss + 0.1 * pr.mean(pr.sqnorm(noise(s).draw()))

    def build(run=None):
        return pr.PPO("CartPole-v1", loss=curious, run=run, **PPO)

    whole = build().learn(192)
    interrupted(build, tmp_path / "cut", 192, 96)
    back = load(tmp_path / "cut", loss=curious)
    assert back.timesteps == 64 and set(back.networks()) == {"actor", "critic", "network2"}
    back.learn(128)
    assert differing(weights(whole), weights(back)) == differing(going_on(whole), going_on(back)) == []
    with pytest.raises(CheckpointError, match=r"your own loss: hand it over"):
        resume(tmp_path / "cut")


def test_resuming_twice_and_learning_again(tmp_path):
    def build(run):
        return pr.PPO("CartPole-v1", run=run, **PPO)

    whole = build(str(tmp_path / "whole")).learn(160).learn(160)
    cut = build(str(tmp_path / "cut")).learn(160)
    with pytest.raises(Stopped):
        cut.learn(160, callback=cut_at(192))
    with pytest.raises(Stopped):
        resume(tmp_path / "cut", callback=cut_at(256))
    assert_same_run(whole, resume(tmp_path / "cut"), tmp_path / "whole", tmp_path / "cut")


def test_a_loaded_agent_that_is_saved_again_goes_on_all_the_same(tmp_path):
    whole = pr.PPO("CartPole-v1", **PPO).learn(96)
    whole.save(tmp_path / "first")
    load(tmp_path / "first").save(tmp_path / "second")
    assert differing(going_on(whole.learn(64)), going_on(load(tmp_path / "second").learn(64))) == []


class Counting:
    """A callback with a state, and one draw from a stream that belongs to nobody."""

    def __init__(self):
        self.seen = []

    def __call__(self, trainer):
        self.seen.append((trainer.agent.timesteps, float(torch.rand(())), float(np.random.random())))

    def state(self):
        return {"seen": self.seen}

    def set_state(self, state):
        self.seen = [tuple(one) for one in state["seen"]]


def test_callbacks_and_the_streams_of_nobody_go_on(tmp_path):
    whole, first, second = Counting(), Counting(), Counting()
    torch.manual_seed(1)
    np.random.seed(1)
    pr.PPO("CartPole-v1", run=str(tmp_path / "whole"), **PPO).learn(192, callback=whole)
    torch.manual_seed(1)
    np.random.seed(1)
    with pytest.raises(Stopped):
        pr.PPO("CartPole-v1", run=str(tmp_path / "cut"), **PPO).learn(192, callback=[first, cut_at(96)])
    resume(tmp_path / "cut", callback=[lambda trainer: None, second])
    assert second.seen == whole.seen


def test_evaluations_on_the_way_go_on_with_their_best(tmp_path):
    def build(run):
        return pr.PPO("CartPole-v1", run=run, eval_interval=32, eval_episodes=2, **PPO)

    whole = build(str(tmp_path / "whole")).learn(224)
    interrupted(build, tmp_path / "cut", 224, 160)
    back = resume(tmp_path / "cut")
    assert_same_run(whole, back, tmp_path / "whole", tmp_path / "cut")
    assert load(tmp_path / "whole/best").timesteps == load(tmp_path / "cut/best").timesteps


# --- the goal ----------------------------------------------------------------------------------------------------
def test_the_goal_is_kept_and_may_be_another(tmp_path):
    folder = tmp_path / "run"
    interrupted(lambda run: pr.PPO("CartPole-v1", run=run, **PPO), folder)
    agent = resume(folder)
    assert (agent.timesteps, agent.goal) == (288, 288) and agent.update.progress == pytest.approx(256 / 288)
    assert resume(folder).timesteps == 288  # it is there already
    with pytest.raises(DataError, match="has 288 steps already: name a greater number"):
        resume(folder, total_timesteps=100)
    assert resume(folder, total_timesteps=300).timesteps == 320


def test_what_has_no_goal_is_told_one(tmp_path):
    pr.PPO("CartPole-v1", **PPO).save(tmp_path)
    with pytest.raises(DataError, match="say how far"):
        resume(tmp_path)
    assert resume(tmp_path, total_timesteps=32).timesteps == 32


def test_what_auto_chose_is_not_decided_again(tmp_path):
    agent = pr.PPO("CartPole-v1", run=str(tmp_path / "run"), **PPO).learn(32)
    described = describe(agent)
    assert (described["backend"], described["settings"]["backend"]) == ("eager", "auto")
    back = load(tmp_path / "run")
    back.compile(updates=10**9)  # which "auto" would compile for
    assert back.backend == "eager" and back.threads == described["threads"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [({"versions": {"torch": "1.0"}}, "torch 1.0 -> "), ({"machine": {"processor": "abacus"}}, "processor abacus -> "),
     ({"threads": 7}, None)],
)  # fmt: skip
def test_another_machine_is_said(change, said, tmp_path):
    folder = tmp_path / "run"
    interrupted(lambda run: pr.PPO("CartPole-v1", run=run, **PPO), folder)
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    for name, value in change.items():
        manifest[name] = {**manifest[name], **value} if isinstance(value, dict) else value
    file.write_text(json.dumps(manifest))
    if said is None:  # the number of threads is part of the run
        assert resume(folder).threads == 7
        return
    with pytest.warns(UserWarning, match=f"not bit for bit as it would have: {said}"):
        assert resume(folder).timesteps == 288


def test_other_threads_are_said(tmp_path):
    interrupted(lambda run: pr.PPO("CartPole-v1", run=run, **PPO), tmp_path / "run")
    with pytest.warns(UserWarning, match="threads 1 -> 2"):
        resume(tmp_path / "run", threads=2)


# --- what cannot be restored -------------------------------------------------------------------------------------
def test_environments_without_a_state_begin_new_episodes_and_say_so(tmp_path, monkeypatch):
    from probrl.envs import Environments

    def without(self):
        return {"kind": "none", "reason": "it is made of glass", "name": self.name, "num_envs": self.num_envs,
                "episodes": self.episodes.state()}  # fmt: skip

    monkeypatch.setattr(Environments, "state", without)
    interrupted(lambda run: pr.PPO("CartPole-v1", run=run, **PPO), tmp_path / "run")
    with pytest.warns(UserWarning, match="new ones begin: it is made of glass") as said:
        assert resume(tmp_path / "run").timesteps == 288
    assert len(said) == 1


def test_an_environment_whose_state_goes_wrong_costs_no_checkpoint(tmp_path, monkeypatch):
    from probrl.envs import Environments

    def wrong(self):
        raise ValueError("not\nnow")

    monkeypatch.setattr(Environments, "state", wrong)
    interrupted(lambda run: pr.PPO("CartPole-v1", run=run, **PPO), tmp_path / "run")
    with pytest.warns(UserWarning, match=r"CartPole-v1 could not say its state \(ValueError: not now\)"):
        assert resume(tmp_path / "run").timesteps == 288


def test_other_environments_begin_new_episodes_and_say_so(tmp_path):
    pr.PPO("CartPole-v1", **PPO).learn(64).save(tmp_path)
    agent = load(tmp_path, env=lambda: gymnasium.wrappers.TimeLimit(gymnasium.make("CartPole-v1"), 50))
    agent.env.__name__ = "longer"
    vector = gymnasium.make_vec("CartPole-v1", 5)
    with pytest.warns(UserWarning, match="they were 2 of CartPole-v1 and are 5 of"):
        pr.OnPolicyTrainer(vector, agent).learn(64)


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


# --- kill -9 -----------------------------------------------------------------------------------------------------
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, capsys):
    from probrl.cli import main

    assert main([*killing.TRAIN, str(tmp_path / "whole")]) == 0
    for i, (share, delay) in enumerate([(0.1, 0.004), (0.5, 0.011)]):
        learned, kept = killing.killed_at(share, delay, tmp_path / str(i))
        assert learned - kept <= killing.INTERVAL + killing.PER_UPDATE
        assert main(["resume", str(tmp_path / str(i))]) == 0
        assert killing.equal(killing.result(tmp_path / str(i)), killing.result(tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["Pendulum-v1", "Acrobot-v1"])
def test_kills_at_random_moments(env_id, capsys):
    killing.at_random_moments(20, env_id, seed=1)
    assert "20 of 20 bit-equal" in capsys.readouterr().out

"""An interrupted run that goes on is the uninterrupted one, to the last bit."""

import json

import gymnasium
import numpy as np
import pytest
import torch

import probrl as pr
from probrl.errors import CheckpointError, DataError
from probrl.training import agent_of, load, resume
from probrl.training.catalogue import algorithm_class, algorithm_names
from probrl.training.checkpoint import describe
from tests.envs.known import Clock, Echo
from tests.training import killing
from tests.training.interrupted import (
    PPO,
    SMALL,
    Stopped,
    assert_same_run,
    cut_at,
    differing,
    going_on,
    interrupted,
    lines,
    weights,
)

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

"""What a person hands over by mistake is answered in one line that names it, before anything is played."""

import errno
import json
import os

import gymnasium
import numpy as np
import pytest
import torch

import probrl as pr
from probrl.errors import DataError, NonFiniteError
from probrl.training.run import Metrics, read_metrics, write_atomic

QUICK = {"progress": False, "backend": "eager", "num_envs": 2, "num_steps": 4, "update_epochs": 1}


def refused(env, message, **options):
    with pytest.raises(DataError) as caught:
        pr.PPO(env, **{**QUICK, **options})
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 2**70}, "seed must be less than 2 ** 62"),
        ({"device": "meta"}, "torch cannot compute on 'meta' here: write 'cpu' or 'cuda'"),
        ({"device": [1]}, "[1] is not a device: write 'cpu' or 'cuda'"),
        ({"run": 3}, "run is the folder that is written to, as in run='runs/mine', not 3"),
        ({"stop_at": "high"}, "stop_at must be finite, got 'high'"),
        ({"num_minibatches": 9}, "num_minibatches=9 is more than a rollout has rows: 2 environments of 4 steps are 8"),
        ({"gamma": 1.5}, "gamma must be from 0 to 1, got 1.5"),
        ({"gae_lambda": -1}, "gae_lambda must be from 0 to 1, got -1"),
        ({"learning_rate": -1e-3}, "learning_rate must not be negative"),
        ({"clip_coef": -0.2}, "clip_coef must be positive, got -0.2"),
        ({"target_kl": -1.0}, "target_kl must be positive, got -1.0"),
        ({"max_grad_norm": 0.0}, "max_grad_norm must be positive, got 0.0"),
        ({"actor": pr.Categorical}, "actor is a distribution, as in pr.Categorical('a | s', network), not the class"),
        ({"actor": 3}, "actor is a distribution, as in pr.Categorical('a | s', network), not 3"),
        ({"critic": torch.nn.Linear(4, 1)}, "critic is a distribution, as in pr.Deterministic('v | s', network)"),
        ({"loss": "mse"}, "loss is a function of what is declared, as in lambda d: d.loss, not 'mse'"),
        ({"actor": pr.Categorical("a | s", pr.mlp(4, 3))}, "chooses among 3, and the action space Discrete(2) has 2"),
        (
            {"actor": pr.Categorical("a | s", torch.nn.Linear(4, 1))},
            "chooses among 1, and the action space Discrete(2) has 2",
        ),
    ],
)
def test_options_that_mean_nothing(options, message):
    refused("CartPole-v1", message, **options)


def test_an_instance_says_how_many_copies_it_is():
    three = gymnasium.make_vec("CartPole-v1", 3)
    for options in ({}, {"tuned": False}, {"num_envs": 8}):
        agent = pr.PPO(three, num_steps=8, num_minibatches=2, progress=False, **options)
        assert agent.algorithm.num_envs == 3 and "minibatches of 12 rows" in agent.text()


def test_numbers_of_numpy_are_numbers():
    agent = pr.PPO("CartPole-v1", **{**QUICK, "seed": np.int64(3), "learning_rate": np.float32(0.5)})
    assert (agent.settings.seed, agent.algorithm.learning_rate) == (3, 0.5)
    assert type(agent.settings.seed) is int and type(agent.algorithm.learning_rate) is float
    assert type(agent.learn(np.int64(8)).goal) is int and agent.timesteps == 8
    assert len(agent.evaluate(np.int32(2)).returns) == 2
    layers = pr.PPO("CartPole-v1", **QUICK, hidden=(np.int64(8), torch.tensor(8).item())).algorithm.hidden
    assert [type(n) for n in layers] == [int, int]


@pytest.mark.parametrize(
    "count", [True, np.bool_(True), torch.tensor(True), 8.0, np.float64(8), "8", None, 0, -np.int64(1)]
)
def test_what_counts_nothing_is_refused(count):
    agent = pr.PPO("CartPole-v1", **QUICK)
    with pytest.raises(DataError, match=r"^total_timesteps must be (a whole number|positive), got "):
        agent.learn(count)


def test_a_path_and_a_device_are_kept_as_words(tmp_path):
    pr.PPO("CartPole-v1", run=tmp_path / "run", device=torch.device("cpu"), plot=False, **QUICK).learn(8)
    assert pr.load(tmp_path / "run").settings.device == "cpu"
    assert pr.resume(tmp_path / "run", 16, progress=False).timesteps == 16


def test_a_group_of_one_is_refused():
    with pytest.raises(DataError, match="GRPO compares environments with each other, and there is one"):
        pr.GRPO("CartPole-v1", num_envs=1)


class Seen(gymnasium.Env):
    observation_space = gymnasium.spaces.Dict(
        {"a": gymnasium.spaces.Box(-1.0, 1.0, (2,)), "b": gymnasium.spaces.Discrete(3)}
    )
    action_space = gymnasium.spaces.Discrete(2)
    shown = 0.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"a": np.zeros(2, np.float32), "b": 0}, {}

    def step(self, action):
        self.steps = getattr(self, "steps", 0) + 1
        return {"a": np.full(2, self.shown, np.float32), "b": 0}, 1.0, self.steps % 3 == 0, False, {}


class Unseen(Seen):
    shown = np.nan


def test_entries_of_a_dict_are_as_many():
    agent = pr.PPO(Seen, **QUICK)
    with pytest.raises(DataError, match="these observations are 4 of a, 3 of b: give as many of each"):
        agent.predict({"a": np.zeros((4, 2)), "b": np.zeros(3, np.int64)})


NOT_SEEN = {
    "a": (
        {"a": np.array([0.0, np.nan]), "b": 0},
        r"the observation's 'a' is nan at \[1\], where a finite number of single precision is due",
    ),
    "infinite": ({"a": np.full((2, 2), np.inf), "b": np.zeros(2)}, r"the observation's 'a' is inf at \[0, 0\], .*"),
    "class": ({"a": np.zeros(2), "b": 99}, "the observation's 'b' is 99, where a whole number from 0 to . is due"),
    "many": ({"a": np.zeros((2, 2)), "b": [0, -1]}, r"the observation's 'b' is -1 at \[1\], where a whole .*"),
    "fraction": ({"a": np.zeros(2), "b": 0.5}, "the observation's 'b' is 0.5, where a whole number .*"),
    "no class": ({"a": np.zeros(2), "b": np.nan}, "the observation's 'b' is nan, where a whole number .*"),
    "words": ({"a": ["x", "y"], "b": 0}, "the observation's 'a' is made of numbers, not of .*"),
}


@pytest.mark.parametrize("name", NOT_SEEN)
def test_what_no_environment_would_show_is_not_predicted_for(name):
    observation, message = NOT_SEEN[name]
    with pytest.raises(DataError, match=f"^{message}$"):
        pr.PPO(Seen, **QUICK).predict(observation)


def test_what_a_reset_gives_is_more_than_an_observation():
    agent, env = pr.PPO("CartPole-v1", **QUICK), gymnasium.make("CartPole-v1")
    with pytest.raises(
        DataError, match=r"of shape \(4,\), not a tuple, of which reset\(\) and step\(\) give it as the first"
    ):
        agent.predict(env.reset(seed=0))


def test_an_evaluation_is_not_made_of_what_is_no_number():
    agent = pr.PPO(Seen, **QUICK)
    message = "Unseen: the observation's 'a' is not finite in environment 0 at step 0"
    with pytest.raises(NonFiniteError, match=message):
        agent.evaluate(episodes=2, env=Unseen)


def test_metrics_are_numbers_of_any_make(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.add({"a": np.float32(0.5), "b": torch.tensor(2.0), "c": 3, "d": True})
    assert read_metrics(tmp_path) == [{"a": 0.5, "b": 2.0, "c": 3, "d": True}]
    for wrong in ("good", None, torch.zeros(2), [1]):
        with pytest.raises(DataError, match="a metric is one number, and 'x' is"):
            metrics.add({"x": wrong})
    assert len(metrics.rows) == 1


@pytest.mark.parametrize("harm", [b'{"a": \xff}\n', b"3\n", b'{"a": '])
def test_metrics_are_read_up_to_what_is_damaged(tmp_path, harm):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"a": 1}\n' + harm)
    assert read_metrics(tmp_path) == [{"a": 1}]


def test_a_folder_that_is_not_there_is_named_by_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_atomic(tmp_path / "no" / "curve.png", b"")
    assert caught.value.filename == str(tmp_path / "no" / "curve.png")


def test_a_full_disk_says_of_which_file(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        Metrics(tmp_path)
    assert caught.value.filename == str(tmp_path / "metrics.jsonl") and not list(tmp_path.iterdir())


def test_a_curve_without_numbers_is_not_offered(tmp_path):
    pytest.importorskip("matplotlib")
    from probrl.training.plots import compare
    from probrl.training.runs import read_run

    agent = pr.PPO("CartPole-v1", run=str(tmp_path / "run"), plot=False, **QUICK).learn(8)
    assert np.isnan(agent.metrics.rows[-1]["episode_return"])  # no episode has ended yet
    with pytest.raises(DataError) as caught:
        compare([read_run(str(tmp_path / "run"))], "episode_return", tmp_path / "curve.png")
    assert "has no numbers called 'episode_return': there are" in str(caught.value)
    assert "episode_return" not in str(caught.value).partition("there are")[2]
    assert json.loads((tmp_path / "run" / "metrics.jsonl").read_text())["episode_return"] is None


def test_what_is_asked_is_asked_at_rest():
    class Moody(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.last, self.drop = torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2), torch.nn.Dropout(0.9)

        def forward(self, s):
            return self.last(self.drop(self.norm(s)))

    net = Moody()
    agent = pr.PPO("CartPole-v1", seed=1, progress=False, actor=pr.Categorical("a | s", net))
    seen = np.random.default_rng(0).normal(size=(50, 4))
    assert (agent.predict(seen) == agent.predict(seen)).all()
    agent.predict(seen[0])
    agent.evaluate(2)
    assert net.training and int(net.norm.num_batches_tracked) == 0


@pytest.mark.parametrize("algorithm", [pr.PPO, pr.A2C])
def test_a_batch_of_one_environment_is_none(algorithm):
    def net(outputs):
        layers = torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, outputs)
        return torch.nn.Sequential(*layers)

    actor, critic = pr.Categorical("a | s", net(2)), pr.Deterministic("v | s", net(1))
    options = {"num_envs": 1, "num_steps": 8, "actor": actor, "critic": critic}
    agent = algorithm("CartPole-v1", progress=False, backend="eager", **options).learn(16)
    assert agent.timesteps == 16 and actor.net.training
    assert int(actor.net[1].num_batches_tracked) > 0  # of what it learned from, not of what it was asked


def test_numbers_that_single_precision_does_not_hold():
    agent = pr.PPO("CartPole-v1", seed=1, progress=False)
    with pytest.raises(DataError, match="single precision"):
        agent.predict(np.full(4, 1e300))
    agent.predict(torch.zeros(4, dtype=torch.bfloat16))

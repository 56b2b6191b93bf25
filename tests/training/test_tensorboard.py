"""What TensorBoard shows: the tags that Stable-Baselines3 writes, with the numbers of the metrics."""

import sys

import pytest

import probrl as pr
from probrl.errors import DataError, MissingExtraError
from probrl.training.tensorboard import learning_rates, tags

SMALL = {"num_envs": 2, "num_steps": 32, "update_epochs": 1, "progress": False}


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = tmp_path_factory.mktemp("tensorboard") / "run"
    agent = pr.PPO("CartPole-v1", run=str(folder), tensorboard=True, eval_interval=64, eval_episodes=2, **SMALL)
    agent.learn(256)
    events = accumulator.EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return agent, {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_the_tags_are_those_of_stable_baselines(logged):
    _, found = logged
    expected = """rollout/ep_rew_mean rollout/ep_len_mean time/fps time/total_timesteps train/loss train/policy_gradient_loss
    train/value_loss train/entropy_loss train/approx_kl train/clip_fraction train/explained_variance train/learning_rate
    eval/mean_reward eval/mean_ep_length"""
    assert set(expected.split()) <= set(found)


def test_the_numbers_are_those_of_the_metrics(logged):
    agent, found = logged
    rows = agent.metrics.rows
    assert [step for step, _ in found["train/loss"]] == [row["timesteps"] for row in rows] == [64, 128, 192, 256]
    assert [value for _, value in found["train/loss"]] == pytest.approx([row["loss"] for row in rows], rel=1e-6)
    assert [value for _, value in found["eval/mean_reward"]] == pytest.approx([row["eval_return"] for row in rows])
    assert [value for _, value in found["train/entropy_loss"]] == pytest.approx([-row["entropy"] for row in rows])
    rate = agent.algorithm.learning_rate
    assert [value for _, value in found["train/learning_rate"]] == pytest.approx(
        [rate, 0.75 * rate, 0.5 * rate, 0.25 * rate]
    )


def test_what_is_no_number_is_left_out():
    assert tags({"episode_return": float("nan"), "episodes": 3, "mine": 1.0}) == {"train/mine": 1.0}


def test_every_update_has_a_learning_rate():
    agent = pr.PPO("CartPole-v1", anneal_lr=False, learning_rate=0.5, **SMALL)
    [(name, rate)] = learning_rates(agent.program).items()
    assert (name, rate(None)) == ("learning_rate", 0.5)


def test_its_absence_is_said_at_once(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'probrl\[log\]'"):
        pr.PPO("CartPole-v1", run=str(tmp_path / "run"), tensorboard=True, **SMALL).learn(64)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == ""


def test_it_needs_a_place():
    pytest.importorskip("tensorboard")
    with pytest.raises(DataError, match="TensorBoard needs a place"):
        pr.PPO("CartPole-v1", tensorboard=True, **SMALL).learn(64)

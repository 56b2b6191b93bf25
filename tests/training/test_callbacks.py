"""Callbacks: evaluations with the best agent kept, thresholds, checkpoints, and what they leave alone."""

import math

import pytest
import torch

import probrl as pr
from probrl.errors import DataError
from probrl.training import agent_of
from tests.envs.known import OneStep
from tests.training.twin import TwinPPO

PPO = agent_of(TwinPPO)
SMALL = {"num_envs": 2, "num_steps": 8, "minibatch": 8, "epochs": 1, "progress": False}
Evaluate, StopAt, Checkpoint = pr.callbacks.Evaluate, pr.callbacks.StopAt, pr.callbacks.Checkpoint


def weights(agent):
    return torch.cat([p.detach().flatten() for network in agent.networks().values() for p in network.parameters()])


def test_evaluations_come_when_they_are_due_and_are_metrics(tmp_path):
    evaluate = Evaluate(every=32, episodes=2)
    agent = PPO("CartPole-v1", run=str(tmp_path / "run"), **SMALL).learn(96, callback=evaluate)
    due = [row["timesteps"] for row in agent.metrics.rows if "eval_return" in row]
    assert due == [32, 64, 96]
    found = [row["eval_return"] for row in agent.metrics.rows if "eval_return" in row]
    assert evaluate.best == max(found) and evaluate.latest.mean == found[-1]
    columns, *lines = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert "eval_return" in columns and len(lines) == len(agent.metrics.rows)


def test_the_best_agent_is_kept(tmp_path):
    evaluate = Evaluate(every=16, episodes=3)
    agent = PPO("CartPole-v1", run=str(tmp_path / "run"), **SMALL).learn(160, callback=evaluate)
    best = pr.load(tmp_path / "run" / "best", algorithm=agent.algorithm, env="CartPole-v1")
    returns = {row["timesteps"]: row["eval_return"] for row in agent.metrics.rows}
    assert returns[best.timesteps] == max(returns.values())
    again = best.evaluate(3, seed=agent.settings.seed + pr.callbacks.BEST_SEED)
    assert again.mean == evaluate.best
    agent.save(tmp_path / "run")  # a run folder may hold its best agent


@pytest.mark.parametrize("deterministic", [True, False])
def test_evaluations_change_nothing_of_what_is_learned(deterministic):
    alone = PPO("CartPole-v1", **SMALL).learn(64)
    watched = PPO("CartPole-v1", **SMALL).learn(64, callback=Evaluate(16, episodes=2, deterministic=deterministic))
    assert torch.equal(weights(alone), weights(watched))


def test_an_instance_needs_another_environment_for_evaluations():
    agent = PPO(OneStep(), **{**SMALL, "num_envs": 1})
    with pytest.raises(DataError, match="hand one over, as in Evaluate"):
        agent.learn(8, callback=Evaluate(8))
    assert agent.timesteps == 0
    agent.learn(8, callback=Evaluate(8, episodes=2, env=OneStep))


def test_learning_stops_at_a_threshold_of_its_own_episodes():
    agent = PPO("CartPole-v1", **SMALL).learn(100_000, callback=StopAt(5.0, episodes=3))
    assert agent.environments.episodes.finished >= 3 and agent.timesteps < 500
    assert PPO("CartPole-v1", **SMALL).learn(64, callback=StopAt(1e9, episodes=1)).timesteps == 64


def test_learning_stops_at_a_threshold_of_the_evaluations():
    agent = PPO("CartPole-v1", **SMALL).learn(1_000, callback=[Evaluate(32, 2), StopAt(1.0, evaluation=True)])
    assert agent.timesteps == 32
    with pytest.raises(DataError, match="needs an Evaluate before it"):
        agent.learn(16, callback=[StopAt(1.0, evaluation=True), Evaluate(32, 2)])


def test_checkpoints_are_written_as_it_goes(tmp_path):
    seen = []

    def look(trainer):
        if (tmp_path / "kept" / "manifest.json").exists():
            seen.append(pr.load(tmp_path / "kept", algorithm=trainer.agent.algorithm, env="CartPole-v1"))

    agent = PPO("CartPole-v1", **SMALL).learn(80, callback=[look, Checkpoint(every=32, path=tmp_path / "kept")])
    assert [kept.timesteps for kept in seen] == [32, 32, 64]
    assert [len(kept.metrics.rows) for kept in seen] == [2, 2, 4] and agent.timesteps == 80


def test_the_settings_ask_for_checkpoints(tmp_path):
    def fails(trainer):
        if trainer.agent.timesteps == 80:
            raise RuntimeError("the callback")

    agent = PPO("CartPole-v1", run=str(tmp_path / "run"), checkpoint_interval=32, **SMALL)
    with pytest.raises(RuntimeError, match="the callback"):
        agent.learn(96, callback=fails)
    assert pr.load(tmp_path / "run", algorithm=agent.algorithm, env="CartPole-v1").timesteps == 64


def test_the_settings_ask_for_evaluations_and_a_threshold_on_them(tmp_path):
    settings = {"run": str(tmp_path / "run"), "eval_interval": 32, "eval_episodes": 2}
    agent = PPO("CartPole-v1", stop_at=1.0, **settings, **SMALL).learn(100)
    assert agent.timesteps == 32 and (tmp_path / "run" / "best" / "manifest.json").exists()
    mine = StopAt(1.0, evaluation=True)  # of the evaluations that the settings ask for
    agent = PPO("CartPole-v1", **{**settings, "run": None}, **SMALL).learn(100, callback=mine)
    assert agent.timesteps == 32
    assert PPO("CartPole-v1", stop_at=1e9, **SMALL).learn(32).timesteps == 32


def test_several_callbacks_are_all_told():
    told = []
    stop = [lambda trainer: told.append("first") or False, lambda trainer: told.append("second")]
    assert PPO("CartPole-v1", **SMALL).learn(64, callback=stop).timesteps == 16 and told == ["first", "second"]


def test_what_a_callback_finds_is_kept_even_when_the_next_one_fails():
    def find(trainer):
        trainer.metrics["found"] = 7.0

    def fail(trainer):
        raise RuntimeError("mine")

    agent = PPO("CartPole-v1", **SMALL)
    with pytest.raises(RuntimeError, match="mine"):
        agent.learn(64, callback=[find, fail])
    assert [row["found"] for row in agent.metrics.rows] == [7.0]


def test_a_run_that_is_resumed_is_looked_on_as_before(tmp_path):
    shipped = {"num_envs": 2, "num_steps": 8, "update_epochs": 1, "progress": False}
    agent = pr.PPO("CartPole-v1", run=str(tmp_path / "run"), eval_interval=32, eval_episodes=2, **shipped).learn(64)
    best = agent.callbacks[0].best
    before = {f.name: f.read_bytes() for f in (tmp_path / "run" / "best").iterdir()}
    agent.callbacks[0].best = 1e9  # nothing will be better
    agent.save(tmp_path / "run")
    again = pr.resume(tmp_path / "run", 128, progress=False)
    assert [row["timesteps"] for row in again.metrics.rows if "eval_return" in row] == [32, 64, 96, 128]
    assert again.callbacks[0].best == 1e9 > best
    assert {f.name: f.read_bytes() for f in (tmp_path / "run" / "best").iterdir()} == before


def test_the_best_so_far_goes_on():
    first, second = Evaluate(10), Evaluate(10)
    first.best = 3.5
    second.set_state(first.state())
    assert second.best == 3.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Evaluate(0), "every must be positive"),
        (lambda: Evaluate(10, episodes=-1), "episodes must be positive"),
        (lambda: Evaluate(10, seed=1.5), "seed must be a whole number"),
        (lambda: StopAt("high"), "the threshold must be a finite number"),
        (lambda: StopAt(math.nan), "the threshold must be a finite number"),
        (lambda: StopAt(1.0, episodes=101), "the last 100 episodes are remembered"),
        (lambda: Checkpoint(every="often"), "every must be a whole number"),
        (lambda: PPO("CartPole-v1", checkpoint_interval=0), "checkpoint_interval must be positive"),
        (lambda: PPO("CartPole-v1", eval_interval=-1), "eval_interval must be positive"),
        (lambda: PPO("CartPole-v1", eval_interval=10, eval_episodes=0), "eval_episodes must be positive"),
        (lambda: PPO("CartPole-v1", stop_at=math.nan), "stop_at must be finite"),
        (lambda: PPO("CartPole-v1", **SMALL).learn(16, callback=Checkpoint(8)), "Checkpoint needs a place"),
        (lambda: PPO("CartPole-v1", **SMALL).learn(16, callback=[1]), "a callback is called with the trainer"),
        (lambda: PPO("CartPole-v1", **SMALL).learn(16, callback=Evaluate), "a callback is called with the trainer"),
    ],
)
def test_wrong_callbacks_are_refused_in_one_line(make, message):
    with pytest.raises(DataError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)

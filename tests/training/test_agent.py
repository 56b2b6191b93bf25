"""The agent: acting, learning again, evaluating, options, and what it refuses."""

import numpy as np
import pytest
import torch

from probrl.envs import make
from probrl.errors import DataError, EnvironmentError, NonFiniteError
from probrl.training import OnPolicyTrainer, agent_of
from probrl.training.evaluation import bootstrap_interval, interquartile_mean, summarise
from tests.envs.known import Broken, Clock, OneStep, Target
from tests.training.twin import CategoricalActor, TwinPPO

PPO = agent_of(TwinPPO)
SMALL = {"num_envs": 2, "num_steps": 8, "minibatch": 8, "epochs": 2, "progress": False}


def weights(agent):
    return torch.cat([p.detach().flatten() for network in agent.networks().values() for p in network.parameters()])


def test_one_observation_or_many():
    agent = PPO("CartPole-v1", **SMALL)
    one, many = agent.predict(np.zeros(4)), agent.predict(torch.zeros(5, 4))
    assert one in (0, 1) and isinstance(one, int) and many.shape == (5,)
    assert {agent.predict(np.zeros(4), deterministic=False) for _ in range(40)} == {0, 1}
    assert agent.predict([0, 0, 0, 0]) in (0, 1)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 2, 4), ()])
def test_an_observation_of_another_shape_is_refused(shape):
    with pytest.raises(DataError, match=r"one observation has shape \(4,\), many have \(n, 4\)"):
        PPO("CartPole-v1", **SMALL).predict(np.zeros(shape))


def test_predictions_stay_inside_the_box():
    agent = PPO(Target, **SMALL)
    with torch.no_grad():
        agent.actor.net[-1].bias.fill_(9.0)
    assert agent.predict(np.zeros(1)).tolist() == [1.0]


def test_the_same_seed_is_the_same_run_and_leaves_the_global_stream_alone():
    torch.manual_seed(5)
    first = torch.rand(1)
    torch.manual_seed(5)
    runs = [PPO("CartPole-v1", seed=s, **SMALL).learn(200) for s in (3, 3, 4)]
    assert torch.equal(torch.rand(1), first)
    assert torch.equal(weights(runs[0]), weights(runs[1])) and not torch.equal(weights(runs[0]), weights(runs[2]))
    timed = ("seconds", "steps_per_second")
    rows = [[{k: v for k, v in row.items() if k not in timed} for row in run.metrics.rows] for run in runs]
    assert str(rows[0]) == str(rows[1])


def test_learning_goes_on_when_called_again():
    agent = PPO("CartPole-v1", **SMALL)
    progress = []
    agent.learn(30, callback=lambda trainer: progress.append(agent.update.progress)).learn(32, callback=lambda t: None)
    assert agent.timesteps == 64 and agent.iteration == 4
    assert progress == [0.0, 16 / 30] and agent.update.progress == 48 / 64
    assert [row["timesteps"] for row in agent.metrics.rows] == [16, 32, 48, 64]


def test_a_callback_ends_the_learning():
    agent = PPO("CartPole-v1", **SMALL).learn(1_000, callback=lambda trainer: trainer.agent.timesteps < 48)
    assert agent.timesteps == 48


@pytest.mark.parametrize("count", [0, -5, 1.5, "10", True])
def test_a_number_of_steps_is_a_positive_whole_number(count):
    with pytest.raises(DataError, match="total_timesteps must be"):
        PPO("CartPole-v1", **SMALL).learn(count)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"seed": 1.5}, "seed must be a whole number"), ({"seed": -1}, "seed must be at least 0"),
     ({"learning_rat": 1}, "no option 'learning_rat': did you mean 'learning_rate'"),
     ({"backend": "tpu"}, "backend is"), ({"device": "nowhere"}, "is not a device"),
     ({"threads": 0}, "threads must be positive"),
     ({"num_envs": 0}, "num_envs must be positive"), ({"num_steps": 0}, "num_steps must be positive"),
     ({"gamma": "high"}, "gamma must be a number"), ({"gamma": float("nan")}, "gamma must be finite"),
     ({"num_envs": "4"}, "num_envs must be a whole number")],
)  # fmt: skip
def test_wrong_options_are_refused_in_one_line(options, message):
    with pytest.raises(DataError, match=message) as caught:
        PPO("CartPole-v1", **options)
    assert "\n" not in str(caught.value)


def test_a_cuda_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DataError, match="torch sees no GPU"):
        PPO("CartPole-v1", device="cuda")


def test_own_parts_take_the_place_of_the_declared_ones():
    mine = CategoricalActor(4, 2)
    agent = PPO("CartPole-v1", actor=mine, **SMALL)
    before = weights(agent)
    assert agent.learn(16).actor is mine and not torch.equal(before, weights(agent))


def test_options_are_shown_with_their_defaults():
    import inspect

    shown = inspect.signature(PPO).parameters
    assert shown["seed"].default == 1 and shown["gamma"].default == 0.98 and "actor" in shown
    assert "PPO by hand" in PPO.__doc__ and repr(PPO("CartPole-v1")).startswith("TwinPPO('CartPole-v1', seed=1")


# --- evaluation --------------------------------------------------------------------------------------------------
def test_statistics_of_returns():
    result = summarise([1.0, 2.0, 3.0, 10.0], [1, 1, 1, 1])
    assert (result.mean, result.iqm) == (4.0, 2.5) and result.std == pytest.approx(3.5355, abs=1e-4)
    assert result.interval[0] <= 4 <= result.interval[1] and "4 episodes of 1 steps" in str(result)


def test_the_interquartile_mean_is_scipys():
    from scipy.stats import trim_mean

    for n in (1, 2, 3, 5, 20, 33):
        x = np.random.default_rng(n).normal(size=n)
        assert interquartile_mean(x) == pytest.approx(trim_mean(x, 0.25))


def test_the_bootstrap_interval_covers_the_mean():
    draws = np.random.default_rng(1).normal(size=(200, 30))
    covered = [low <= 0 <= high for low, high in map(bootstrap_interval, draws)]
    assert 0.88 <= np.mean(covered) <= 0.99
    assert bootstrap_interval(draws[0]) == bootstrap_interval(draws[0])


@pytest.mark.parametrize("episodes", [1, 5, 40])
def test_episodes_are_counted_exactly_and_fairly(episodes):
    result = PPO(lambda: Clock((3, 2)), **SMALL).evaluate(episodes=episodes)
    # every copy plays its own fixed number, from its first episode on: (1+2+3), then (11+12), ...
    assert len(result.returns) == episodes and min(result.lengths) >= 2
    assert sum(r == 6.0 for r in result.returns) == min(episodes, 32)


def test_evaluations_repeat_and_leave_learning_alone():
    a, b = (PPO("CartPole-v1", **SMALL) for _ in range(2))
    a.learn(32)
    b.learn(32)
    assert a.evaluate(5) == a.evaluate(5)
    a.learn(32)
    b.learn(32)
    assert torch.equal(weights(a), weights(b))


def test_an_instance_is_evaluated_and_learned_in_turn():
    agent = PPO(Clock((3, 2)), **{**SMALL, "num_envs": 1, "num_steps": 4, "minibatch": 4})
    agent.learn(4)
    played = agent._trainer.environments.episodes.finished
    assert agent.evaluate(2).lengths in ((3, 2), (2, 3))
    assert agent._trainer.environments.episodes.finished == played
    agent.learn(4)
    assert agent._trainer.collector.rollout.columns()["s"][0, 0, 1] == 0  # it began with a reset


def test_another_environment_must_have_the_same_spaces():
    with pytest.raises(EnvironmentError, match="other spaces"):
        PPO("CartPole-v1", **SMALL).evaluate(1, env="Pendulum-v1")
    with pytest.raises(EnvironmentError, match="other spaces"):
        OnPolicyTrainer("Pendulum-v1", PPO("CartPole-v1", **SMALL))


# --- the loop ----------------------------------------------------------------------------------------------------
def test_the_trainer_in_hand():
    agent = PPO("CartPole-v1", **SMALL)
    trainer = OnPolicyTrainer(lambda: __import__("gymnasium").make("CartPole-v1"), agent)
    trainer.learn(32)
    assert agent.timesteps == 32 and trainer.metrics["iteration"] == 2


def test_small_networks_learn_with_one_thread_and_the_number_is_given_back():
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        for threads in (None, 2):
            agent = PPO("CartPole-v1", threads=threads, **SMALL)
            agent.learn(16, callback=lambda trainer: seen.append(torch.get_num_threads()))
        assert seen == [1, 2] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_one_policy_call_per_vector_step():
    agent, calls = PPO("CartPole-v1", **SMALL), []
    agent.actor.net.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    OnPolicyTrainer(None, agent).collector.collect()
    assert calls == [False] * SMALL["num_steps"]


def test_recorded_log_probabilities_are_those_of_the_policy():
    for env in ("CartPole-v1", "Pendulum-v1"):
        agent = PPO(env, **SMALL)
        c = OnPolicyTrainer(None, agent).collector.collect().columns()
        log_p, _ = agent.actor.log_prob_and_entropy(c["s"], c["a"])
        torch.testing.assert_close(log_p, c["a_log_prob"], atol=1e-5, rtol=1e-5)


def test_rollouts_continue_where_the_last_one_stopped():
    trainer = OnPolicyTrainer(None, PPO("CartPole-v1", **SMALL))
    last = trainer.collector.collect().columns()["s_next"][:, -1].clone()
    assert torch.equal(trainer.collector.collect().columns()["s"][:, 0], last)


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [("raise", EnvironmentError, r"Broken: environment 0 raised RuntimeError in step\(\) at step 3: the simulator fell over"),
     ("reward", NonFiniteError, "the reward is nan in environment 0 at step 3"),
     ("observation", NonFiniteError, "the observation is nan in environment 0 at step 3")],
)  # fmt: skip
def test_a_broken_environment_is_named(how, error, message):
    agent = PPO(lambda: Broken(3, how), **SMALL)
    with pytest.raises(error, match=message) as caught:
        agent.learn(100)
    assert "\n" not in str(caught.value) and agent.timesteps == 0


def test_a_refused_update_stops_the_learning_with_the_term_and_the_step():
    agent = PPO("CartPole-v1", **SMALL)
    agent.learn(16)
    with torch.no_grad():
        agent.critic[-1].bias.fill_(float("inf"))
    before = weights(agent)
    with pytest.raises(NonFiniteError, match=r"^loss.* is not finite at step 32 \(update 2\)") as caught:
        agent.learn(100)
    assert "entropy" not in str(caught.value) and torch.equal(weights(agent), before)


def test_no_rollout_tensor_is_an_inference_tensor():
    columns = OnPolicyTrainer(None, PPO(OneStep, **SMALL)).collector.collect().columns()
    assert not any(column.is_inference() for column in columns.values())


def test_the_vector_environment_may_be_the_users(recwarn):
    vector = make("CartPole-v1", 3).vector
    agent = PPO(vector, **SMALL).learn(48)
    assert agent.timesteps == 48 and agent.evaluate(2).returns

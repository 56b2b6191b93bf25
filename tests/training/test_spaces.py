"""Everything that may be seen and done: learned to its known optimum, acted on, kept and brought back."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

import probrl as pr
from probrl.errors import DataError, ProbrlError
from probrl.training import OnPolicyTrainer
from probrl.training.observing import one_or_many, to_tensors
from tests import algorithms
from tests.envs.seen import Asked, Bright, Buttons, FarAway, Numbered, Several, Single, Switches

FAST = {
    "num_envs": 8,
    "num_steps": 16,
    "num_minibatches": 2,
    "update_epochs": 6,
    "learning_rate": 3e-3,
    "progress": False,
}
SMALL = {"num_envs": 2, "num_steps": 8, "update_epochs": 2, "progress": False}
ALL = [Asked, Buttons, Switches, Numbered, Several, FarAway, Single]


def observations(env, count):
    made = env()
    return [made.reset(seed=k)[0] for k in range(count)]


def stacked(seen):
    first = seen[0]
    if isinstance(first, dict):
        return {name: stacked([one[name] for one in seen]) for name in first}
    return np.stack([np.asarray(one) for one in seen])


@pytest.mark.parametrize("env", [Buttons, Switches, Numbered, Several])
@pytest.mark.parametrize("shared", [False, True])
def test_the_best_policy_is_found(env, shared):
    agent = pr.PPO(env, seed=1, shared_encoder=shared, **FAST).learn(3_000)
    assert agent.evaluate(episodes=32).mean == 1.0


def test_a_picture_is_told_from_another():
    hyper = {**FAST, "update_epochs": 2, "learning_rate": 1e-3, "shared_encoder": True}
    agent = pr.PPO(Bright, seed=1, **hyper).learn(512)
    assert agent.evaluate(episodes=16).mean == 1.0
    assert OnPolicyTrainer(None, agent).collector.rollout.columns()["s"].dtype is torch.uint8


def test_a_number_of_no_dimensions_is_seen_and_answered():
    agent = pr.PPO(Single, seed=1, **FAST).learn(2_000)
    assert agent.evaluate(episodes=16).mean > 0.8
    assert agent.predict(0.5).shape == () and agent.predict([0.5, 1.0]).shape == (2,)


@pytest.mark.parametrize("norm_obs", [False, True])
def test_a_small_difference_between_large_numbers_is_seen_when_normalised(norm_obs):
    agent = pr.PPO(FarAway, seed=1, norm_obs=norm_obs, **FAST).learn(3_000)
    assert (agent.evaluate(episodes=32).mean == 1.0) == norm_obs


@pytest.mark.parametrize("env", [*ALL, Bright])
@pytest.mark.parametrize("shared", [False, True])
def test_one_observation_or_many(env, shared):
    agent = pr.PPO(env, shared_encoder=shared, norm_obs=True, **SMALL)
    seen = observations(env, 5)
    many = agent.predict(stacked(seen))
    assert len(many) == 5
    for k, one in enumerate(seen):
        assert agent.environments.vector.single_action_space.contains(agent.predict(one))
        assert np.allclose(agent.predict(one), many[k], rtol=1e-5)  # the last bit may differ between one row and many
    tensors = to_tensors(agent.spaces.observation, stacked(seen))
    assert np.array_equal(agent.predict(tensors), many)


@pytest.mark.parametrize("env", [*ALL, Bright])
@pytest.mark.parametrize("shared", [False, True])
def test_what_was_recorded_is_what_the_policy_says(env, shared):
    agent = pr.PPO(env, shared_encoder=shared, norm_obs=True, **SMALL).learn(16)
    columns = agent.normalization.rollout(agent._trainer.collector.collect().columns())
    policy = pr.symbols("s", axes="time")
    action = pr.symbols("a", axes="time", rank=len(agent.spaces.action.drawn))
    seen = policy if agent.encoder is None else agent.encoder(policy)
    log_prob = agent.actor(seen).log_prob(action)({"s": columns["s"], "a": columns["a"]})
    torch.testing.assert_close(log_prob, columns["a_log_prob"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("env", [*ALL, Bright])
def test_it_comes_back_from_disk(env, tmp_path):
    options = {"shared_encoder": True, "norm_obs": True, "norm_reward": True, "learning_rate": 1e-3 * (1 - pr.progress)}
    agent = pr.PPO(env, seed=2, **{**SMALL, **options}).learn(32)
    agent.save(tmp_path / "run")
    back, seen = pr.load(tmp_path / "run", env=env), stacked(observations(env, 9))
    assert back.spaces == agent.spaces and back.algorithm == agent.algorithm
    assert back.latex() == agent.latex() and back.digest == agent.digest
    assert np.array_equal(agent.predict(seen), back.predict(seen))
    assert back.normalization.state().keys() == agent.normalization.state().keys()
    back.learn(16)


@pytest.mark.parametrize("env", [Buttons, Switches, Several, Bright])
@pytest.mark.parametrize("name", algorithms.NAMES)
def test_every_algorithm_takes_what_may_be_seen_and_done(name, env):
    options = {**algorithms.SMALL, "norm_obs": True, "norm_reward": True, "shared_encoder": True}
    agent = algorithms.agent(name, env, **options).learn(64)
    assert agent.metrics.rows[-1]["finite"] == 1.0 and np.isfinite(agent.metrics.rows[-1]["loss"])
    assert len(agent.predict(stacked(observations(env, 3)))) == 3 and agent.latex()


@pytest.mark.parametrize("env", [Several, pytest.param(Bright, marks=pytest.mark.slow)])
def test_compiled_is_eager(env):
    weights = []
    for backend in ("eager", "aot_eager"):
        agent = pr.PPO(env, seed=1, backend=backend, **{**SMALL, "update_epochs": 1}).learn(16)
        weights.append(torch.cat([p.detach().flatten() for n in agent.networks().values() for p in n.parameters()]))
    torch.testing.assert_close(*weights, atol=1e-6, rtol=1e-5)


def test_the_encoder_is_called_once_per_distinct_input():
    agent, calls = pr.PPO(Asked, shared_encoder=True, **{**SMALL, "update_epochs": 1}), []
    batch = dict(OnPolicyTrainer(None, agent).collector.collect().columns())
    for name, network in agent.networks().items():
        network.net.register_forward_hook(lambda *_, name=name: calls.append(name))
    agent.update(batch)
    # before the update s and s' for the targets, in the only minibatch s for the loss
    assert sorted(calls) == ["actor", "critic", "critic", "critic", "encoder", "encoder", "encoder"]


def test_the_page_shows_what_is_shared():
    agent = pr.PPO(Asked, shared_encoder=True, **SMALL)
    latex = agent.latex()
    assert r"V_\phi(f_\psi(s_t))" in latex and r"\pi_\theta(a_t \mid f_\psi(s_t))" in latex
    assert "minimize over }f_\\psi" in latex and set(agent.networks()) == {"encoder", "actor", "critic"}
    assert "f_\\psi" not in pr.PPO(Asked, **SMALL).latex()


def test_actions_are_clipped_when_executed_and_only_then():
    class Box(Asked):
        action_space = spaces.Box(-0.1, 0.1, (1,))

        def answered(self, action):
            return float(action[0])

    agent = pr.PPO(Box, seed=1, **SMALL)
    columns = OnPolicyTrainer(None, agent).collector.collect().columns()
    assert (columns["a"].abs() > 0.1).any() and columns["r"].abs().max() <= 0.1 + 1e-6


BAD = [
    (Asked, np.zeros(3), r"one observation has shape \(1,\), many have \(n, 1\); got \(3,\)"),
    (Several, np.zeros(3), "the observation is a dict with kind, inside, not a ndarray"),
    (Several, {"kind": 0}, "the observation lacks 'inside': it has kind"),
    (Several, {"kind": 0, "inside": {"noise": np.zeros((2, 1))}}, "the observation's 'inside' lacks 'sign'"),
    (Several, {"kind": 0, "inside": {"noise": np.zeros((2, 1)), "sign": np.zeros(3)}}, r"'inside.sign', one has shape"),
    (Several, {"kind": [0, 1], "inside": {"noise": np.zeros((2, 1)), "sign": np.zeros(1)}}, "is a single one"),
    (Asked, {"a": 1}, "is an array of shape"),
]


@pytest.mark.parametrize(("env", "observation", "message"), BAD)
def test_observations_of_another_kind_are_refused_by_name(env, observation, message):
    agent = pr.PPO(env, **SMALL)
    with pytest.raises(DataError, match=message):
        agent.predict(observation)
    with pytest.raises(DataError):
        one_or_many(agent.spaces.observation, observation)


def test_small_pictures_are_refused_by_their_size():
    class Small(Bright):
        observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)

    with pytest.raises(DataError, match=r"a picture of shape \(8, 8, 3\) has 8 by 8 pixels.*at least 36 by 36"):
        pr.PPO(Small, **SMALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm_obs": 1}, "norm_obs must be True or False, got 1"),
        ({"norm_reward": "yes"}, "norm_reward must be True or False, got 'yes'"),
        ({"hidden": 64}, r"hidden must be several whole numbers, as in \(64, 64\), got 64"),
        ({"hidden": (64, 0)}, "hidden must be positive, got 0"),
        ({"hidden": (), "shared_encoder": True}, r"write hidden=\(64,\)"),
    ],
)
def test_options_that_are_none_are_refused(options, message):
    with pytest.raises(ProbrlError, match=message):
        pr.PPO(Asked, **{**SMALL, **options})


def test_without_hidden_layers_networks_are_linear():
    agent = pr.PPO(Asked, hidden=(), **SMALL).learn(16)
    assert [p.shape for p in agent.actor.parameters()] == [(2, 1), (2,)]

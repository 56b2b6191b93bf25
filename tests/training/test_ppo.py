"""Proximal policy optimisation, as declared: it is its hand-written twin, solves what is known, and comes back."""

import math

import numpy as np
import pixyz.distributions
import pytest
import torch

import probrl as pr
from probrl.errors import CheckpointError, DataError, NonFiniteError
from probrl.training import OnPolicyTrainer
from probrl.training.on_policy import planned_updates
from tests.envs.known import Delayed, Echo, Endless, OneStep, Patience, Target
from tests.training.twin import TwinPPO, advantages

FAST = {
    "num_envs": 8,
    "num_steps": 16,
    "num_minibatches": 2,
    "update_epochs": 6,
    "learning_rate": 3e-3,
    "progress": False,
}
SMALL = {"num_envs": 2, "num_steps": 8, "num_minibatches": 1, "update_epochs": 2, "progress": False}


def weights(agent):
    return torch.cat([p.detach().flatten() for network in agent.networks().values() for p in network.parameters()])


def value(agent, *observation):
    with torch.no_grad():
        return float(agent.critic.net(torch.tensor([observation], dtype=torch.float32)).squeeze())


# --- known optima --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("env", [OneStep, Echo, Delayed])
def test_the_best_policy_is_found(env):
    agent = pr.PPO(env, seed=1, gamma=0.99, gae_lambda=0.95, **FAST).learn(4_000)
    assert agent.evaluate(episodes=32).mean == 1.0


def test_a_real_action_goes_to_the_target():
    agent = pr.PPO(Target, seed=1, **{**FAST, "learning_rate": 1e-2}).learn(8_000)
    assert agent.evaluate(episodes=4).mean > -0.01
    assert agent.predict(np.zeros(1)).shape == (1,) and agent.predict(np.zeros((5, 1))).shape == (5, 1)


@pytest.mark.parametrize(("gamma", "best"), [(0.9, 0), (0.3, 1)])
def test_waiting_pays_only_under_a_large_discount_factor(gamma, best):
    agent = pr.PPO(lambda: Patience(later=2.0), seed=1, gamma=gamma, gae_lambda=1.0, **FAST).learn(4_000)
    assert agent.predict(np.zeros(1)) == best


@pytest.mark.parametrize("terminates", [False, True])
def test_a_truncated_episode_bootstraps_and_a_terminated_one_does_not(terminates):
    """The clock is not seen, so it is one state: v = 1 + gamma v, or 1 + gamma v / 2 if every second step ends."""
    gamma = 0.5
    agent = pr.PPO(lambda: Endless(2, terminates), seed=1, gamma=gamma, gae_lambda=0.0, **FAST).learn(6_000)
    assert value(agent, 0.0) == pytest.approx(1 / (1 - gamma / 2) if terminates else 1 / (1 - gamma), abs=0.1)


def test_cartpole_is_solved():
    agent = pr.PPO("CartPole-v1", seed=1, progress=False).learn(50_000)
    assert agent.evaluate(episodes=20).mean >= 475


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cartpole_is_solved_from_every_seed(seed):
    assert pr.PPO("CartPole-v1", seed=seed, progress=False).learn(50_000).evaluate(episodes=20).mean >= 475


# --- the twin ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_one_update_is_that_of_the_hand_written_twin(env):
    """One epoch on one minibatch, so that the order of rows does not matter: the same new weights within 1e-6."""
    options = {"num_envs": 4, "num_steps": 32, "update_epochs": 1, "anneal_lr": False, "anneal_clip": False}
    options |= {"gamma": 0.98, "gae_lambda": 0.8, "learning_rate": 1e-3}
    agent = pr.PPO(env, seed=3, num_minibatches=1, ent_coef=0.01, progress=False, **options)
    trainer = OnPolicyTrainer(None, agent)
    for _ in range(4):  # until episodes have ended: some rows are no steps
        batch = {name: column.clone() for name, column in trainer.collector.collect().columns().items()}
    assert env != "CartPole-v1" or not batch["valid"].all()
    hyper = TwinPPO(num_envs=4, num_steps=32, epochs=1, minibatch=128, entropy_weight=0.01)
    twin = hyper.declare(agent.spaces)
    with torch.no_grad():
        ours = [p for n in agent.networks().values() for p in n.parameters()]
        theirs = [p for n in (twin.actor, twin.critic) for p in n.parameters()]
        assert sorted(p.shape for p in ours) == sorted(p.shape for p in theirs)
        twin.actor.net.load_state_dict(linear_part(agent.actor))
        twin.critic.load_state_dict(linear_part(agent.critic))
    twin.program.compile()(batch)
    agent.update(batch)
    for mine, other in ((agent.actor, twin.actor.net), (agent.critic, twin.critic)):
        for name, tensor in linear_part(mine).items():
            torch.testing.assert_close(tensor, other.state_dict()[name], atol=2e-6, rtol=1e-5)


def linear_part(distribution):
    """The weights of the layers of a distribution's network, by the names that a plain perceptron has."""
    kept = {k: v for k, v in distribution.state_dict().items() if k.endswith(("weight", "bias"))}
    return {".".join(name.split(".")[-2:]): tensor for name, tensor in kept.items()}


def test_the_prepared_advantages_are_the_closed_form():
    agent = pr.PPO("CartPole-v1", seed=1, **{**SMALL, "num_steps": 64})
    batch = dict(OnPolicyTrainer(None, agent).collector.collect().columns())
    found = {name: pr.Prepare(**{name: x}) for name, x in agent.program.steps[0].columns.items()}
    assert set(found) == {"A", "R"}
    v, v_next = (agent.critic.net(batch[name]).squeeze(-1).detach() for name in ("s", "s_next"))
    ends = (batch[name] for name in ("terminated", "ended", "valid"))
    expected = advantages(batch["r"], v, v_next, *ends, agent.algorithm.gamma, agent.algorithm.gae_lambda)
    got = agent.program.settled(agent.program.steps[0].columns["A"])(batch)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


# --- acting --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_recorded_log_probabilities_are_those_of_the_policy(env):
    agent = pr.PPO(env, **SMALL)
    c = OnPolicyTrainer(None, agent).collector.collect().columns()
    flat = {name: c[name].flatten(0, 1) for name in ("s", "a")}
    torch.testing.assert_close(agent.actor.log_prob(flat), c["a_log_prob"].flatten(), atol=1e-5, rtol=1e-5)


def test_actions_have_the_frequencies_of_the_policy():
    agent = pr.PPO("CartPole-v1", **SMALL)
    with torch.no_grad():
        agent.actor.net[-1].bias.copy_(torch.tensor([0.0, 1.0]))
        actions, _ = agent.sampler()(torch.zeros(20_000, 4))
    assert float(actions.float().mean()) == pytest.approx(1 / (1 + math.exp(-1)), abs=0.02)


def test_one_policy_call_per_vector_step():
    agent, calls = pr.PPO("CartPole-v1", **SMALL), []
    trainer = OnPolicyTrainer(None, agent)
    trainer.collector.collect()
    agent.actor.net.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    trainer.collector.collect()
    assert calls == [False] * SMALL["num_steps"]


# --- the run -------------------------------------------------------------------------------------------------------
def test_the_same_seed_is_the_same_run():
    runs = [pr.PPO("CartPole-v1", seed=s, **SMALL).learn(200) for s in (3, 3, 4)]
    assert torch.equal(weights(runs[0]), weights(runs[1])) and not torch.equal(weights(runs[0]), weights(runs[2]))


def test_metrics_name_every_term():
    row = pr.PPO("CartPole-v1", **SMALL).learn(16).metrics.rows[-1]
    assert {"timesteps", "episode_return", "loss", "policy", "value", "entropy", "approx_kl", "clip_fraction",
            "explained_variance", "finite", "steps_per_second"} <= set(row)  # fmt: skip
    assert row["finite"] == 1.0 and row["entropy"] == pytest.approx(math.log(2), abs=0.01)
    assert row["approx_kl"] >= 0


def test_it_comes_back_from_disk(tmp_path):
    agent = pr.PPO("CartPole-v1", seed=2, **SMALL).learn(64)
    agent.save(tmp_path / "run")
    back, seen = pr.load(tmp_path / "run"), np.random.default_rng(0).normal(size=(50, 4))
    assert np.array_equal(agent.predict(seen), back.predict(seen)) and back.algorithm == agent.algorithm
    assert back.latex() == agent.latex() and back.evaluate(4) == agent.evaluate(4)
    batch = {k: v.clone() for k, v in OnPolicyTrainer(None, agent).collector.collect().columns().items()}
    agent.update.progress = back.update.progress = 0.5
    agent.update(dict(batch))
    back.update(dict(batch))
    assert torch.equal(weights(agent), weights(back))  # optimiser, shuffling and schedules came back too


def test_draws_go_on_where_they_stopped(tmp_path):
    agent = pr.PPO("CartPole-v1", seed=2, **SMALL).learn(64)
    agent.save(tmp_path / "run")
    back, seen = pr.load(tmp_path / "run"), torch.zeros(64, 4)
    with torch.no_grad():
        assert torch.equal(agent.sampler()(seen)[0], back.sampler()(seen)[0])


def test_other_equations_are_refused(tmp_path):
    agent = pr.PPO("CartPole-v1", loss=lambda mine: mine.loss * 2, **SMALL).learn(16)
    agent.save(tmp_path / "run")
    with pytest.raises(CheckpointError, match="your own loss"):
        pr.load(tmp_path / "run")
    with pytest.raises(CheckpointError, match="trained with other equations"):
        pr.load(tmp_path / "run", loss=lambda mine: mine.loss * 3)
    assert pr.load(tmp_path / "run", loss=lambda mine: mine.loss * 2).timesteps == 16


def test_own_distributions_in_place_of_the_declared_ones():
    pi = pr.Categorical("a | s", pr.mlp(4, 8, 2), name=r"\mu")
    V = pr.Deterministic("v | s", pr.mlp(4, 8, 1), name="U")
    agent = pr.PPO("CartPole-v1", actor=pi, critic=V, **SMALL).learn(32)
    assert agent.actor is pi and agent.critic is V and r"\mu" in agent.latex()


class PixyzActor(pixyz.distributions.Categorical):
    def __init__(self):
        super().__init__(var=["a"], cond_var=["s"], name="p")
        self.net = torch.nn.Linear(4, 2)

    def forward(self, s):
        return {"probs": torch.softmax(self.net(s), -1)}


def test_a_pixyz_actor_as_it_is(tmp_path):
    mine = PixyzActor()
    before = mine.net.weight.detach().clone()
    agent = pr.PPO("CartPole-v1", actor=mine, **SMALL).learn(32)
    assert not torch.equal(mine.net.weight, before)
    agent.save(tmp_path / "run")
    back, seen = pr.load(tmp_path / "run", actor=PixyzActor()), np.random.default_rng(0).normal(size=(9, 4))
    assert np.array_equal(agent.predict(seen), back.predict(seen))


class PixyzCritic(pixyz.distributions.Deterministic):
    def __init__(self):
        super().__init__(var=["v"], cond_var=["o"], name="f")
        self.net = torch.nn.Linear(4, 1)

    def forward(self, o):
        return {"v": self.net(o)}


def test_a_pixyz_critic_is_one_number_per_row(tmp_path):
    mine = PixyzCritic()
    before = mine.net.weight.detach().clone()
    agent = pr.PPO("CartPole-v1", actor=PixyzActor(), critic=mine, **SMALL).learn(32)
    assert agent.critic.rank == 0 and not torch.equal(mine.net.weight, before)
    agent.save(tmp_path / "run")
    back = pr.load(tmp_path / "run", actor=PixyzActor(), critic=PixyzCritic())
    seen = {"o": torch.eye(4)}
    assert torch.equal(back.critic.sample(seen)["v"], agent.critic.sample(seen)["v"])


def test_a_refused_update_stops_the_learning():
    agent = pr.PPO("CartPole-v1", **SMALL).learn(16)
    with torch.no_grad():
        agent.critic.net[-1].bias.fill_(float("inf"))
    before = weights(agent)
    with pytest.raises(NonFiniteError, match=r"value.* not finite at step 32 \(update 2\)"):
        agent.learn(100)
    assert torch.equal(weights(agent), before)


def test_planned_updates():
    agent = pr.PPO("CartPole-v1", **{**SMALL, "num_minibatches": 4, "update_epochs": 3})
    assert planned_updates(agent.program, 16) == 12
    agent.learn(16)
    assert agent.update.backend == "eager" and "12 planned updates" in agent.update.reason


def test_minibatches_that_cannot_be():
    with pytest.raises((DataError, TypeError), match="minibatch"):
        pr.PPO("CartPole-v1", **{**SMALL, "num_minibatches": 100})


TIME = pr.Axis("time", mask="valid")
s_t, kappa = pr.symbols("s", axes=TIME), pr.parameter("kappa", 0.5)


def tempered(declared):
    """A temperature that is learned, a bonus that it weighs and a scalar that is held still."""
    alpha, beta = pr.parameter("alpha", 0.1, positive=True), pr.parameter("beta", 2.0)
    H = declared.actor(s_t).entropy()
    held = pr.stop_gradient(beta)
    return declared.loss + pr.mean(alpha * pr.stop_gradient(H - 0.1) - pr.stop_gradient(alpha) * H) * held


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_scalars_of_ones_own_loss_are_learned_kept_and_brought_back(tmp_path, backend):
    agent = pr.PPO("CartPole-v1", loss=tempered, backend=backend, **SMALL).learn(64)
    assert "minimize over π_θ, V_φ, α:" in agent.text()
    (alpha,) = agent.declaration.learned
    moved = alpha({})
    assert moved < 0.1  # the entropy is above its target
    agent.save(tmp_path / "run")
    back = pr.load(tmp_path / "run", loss=tempered).learn(64)
    agent.learn(64)
    assert back.declaration.learned[0]({}) == alpha({}) != moved


@pytest.mark.parametrize("algorithm", [pr.A2C, pr.AWR, pr.GRPO])
def test_every_algorithm_learns_them(algorithm):
    options = {"num_envs": 4, "num_steps": 8, "progress": False, "backend": "eager"}
    agent = algorithm("CartPole-v1", loss=lambda mine: mine.loss + (kappa - 1) ** 2, **options)
    before = kappa({})
    agent.learn(64)
    assert abs(kappa({}) - 1) < abs(before - 1)

"""The user's own distributions in place of the default ones: learned with, kept, and refused where they cannot be."""

import gymnasium
import numpy as np
import pixyz.distributions
import pytest
import torch
from torch import nn

import probrl as pr
from probrl.errors import ProbrlError
from probrl.training import OnPolicyTrainer
from tests.envs.known import Echo, Target
from tests.envs.seen import Asked, Buttons, Several

FAST = {
    "num_envs": 8,
    "num_steps": 16,
    "num_minibatches": 2,
    "update_epochs": 6,
    "learning_rate": 1e-2,
    "progress": False,
}
SMALL = {"num_envs": 2, "num_steps": 8, "num_minibatches": 1, "update_epochs": 2, "progress": False}


def unit():
    """The target, with actions from 0 to 1: the best is 0.75."""
    return gymnasium.wrappers.RescaleAction(Target(), np.float32(0), np.float32(1))


class PixyzNormal(pixyz.distributions.Normal):
    def __init__(self):
        super().__init__(var=["a"], cond_var=["s"], name="p")
        self.loc, self.log_scale = nn.Linear(1, 1), nn.Parameter(torch.zeros(1))

    def forward(self, s):
        loc = self.loc(s)
        return {"loc": loc, "scale": self.log_scale.exp().expand_as(loc)}


class PixyzBeta(pixyz.distributions.Beta):
    def __init__(self):
        super().__init__(var=["a"], cond_var=["s"], name="p")
        self.net = pr.mlp(1, 16, 2)

    def forward(self, s):
        one, zero = (1 + nn.functional.softplus(self.net(s))).chunk(2, -1)
        return {"concentration1": one, "concentration0": zero}


class PixyzCategorical(pixyz.distributions.Categorical):
    def __init__(self):
        super().__init__(var=["a"], cond_var=["s"], name="p")
        self.net = nn.Linear(1, 2)

    def forward(self, s):
        return {"probs": torch.softmax(self.net(s), -1)}


ACTORS = {
    "TanhNormal": (Target, lambda: pr.TanhNormal("a | s", pr.mlp(1, 16, 2)), 0.5),
    "Beta": (unit, lambda: pr.Beta("a | s", pr.mlp(1, 16, 2)), 0.75),
    "Normal": (Target, lambda: pr.Normal("a | s", pr.mlp(1, 16, 2)), 0.5),
    "pixyz Normal": (Target, PixyzNormal, 0.5),
    "pixyz Beta": (unit, PixyzBeta, 0.75),
}


@pytest.mark.parametrize("name", ACTORS)
def test_a_real_action_goes_to_the_target(name, tmp_path):
    env, actor, best = ACTORS[name]
    torch.manual_seed(0)
    agent = pr.PPO(env, seed=1, actor=actor(), ent_coef=0.001, **FAST).learn(4_000)
    assert agent.predict(np.zeros(1)) == pytest.approx(best, abs=0.1)
    agent.save(tmp_path / "run")
    back, seen = pr.load(tmp_path / "run", env=env, actor=actor()), np.zeros((3, 1))
    assert np.array_equal(back.predict(seen), agent.predict(seen))


@pytest.mark.parametrize("name", ACTORS)
def test_what_was_recorded_is_what_the_policy_says(name):
    env, actor, _ = ACTORS[name]
    agent = pr.PPO(env, actor=actor(), **SMALL)
    columns = OnPolicyTrainer(None, agent).collector.collect().columns()
    flat = {k: columns[k].flatten(0, 1) for k in ("s", "a")}
    log_prob = agent.actor.log_prob(flat)
    torch.testing.assert_close(log_prob, columns["a_log_prob"].flatten(), atol=1e-4, rtol=1e-4)


def test_the_choices_of_pixyz_are_executed_as_numbers():
    torch.manual_seed(0)
    agent = pr.PPO(Echo, seed=1, actor=PixyzCategorical(), gamma=0.99, **FAST).learn(4_000)
    assert agent.evaluate(episodes=32).mean == 1.0


@pytest.mark.parametrize(
    ("env", "actor", "message"),
    [
        (
            Echo,
            lambda: pr.OneHot("a | s", pr.mlp(1, 2), name="q"),
            r"q draws vectors.*Discrete\(2\) takes one whole number",
        ),
        (Echo, lambda: pr.Normal("a | s", pr.mlp(1, 2), name="q"), r"q draws vectors.*pr\.Categorical"),
        (Target, lambda: pr.Categorical("a | s", pr.mlp(1, 2)), r"draws single numbers.*Box\(1\) takes a vector"),
        (Buttons, lambda: pr.Categorical("a | s", pr.mlp(1, 2)), r"MultiDiscrete\(\[2, 3\]\) takes a vector"),
    ],
)
def test_actions_of_another_kind_are_refused_before_anything_is_played(env, actor, message):
    with pytest.raises(ProbrlError, match=message):
        pr.PPO(env, actor=actor(), **SMALL)


def test_an_entropy_without_a_formula_is_estimated_by_a_draw():
    agent = pr.PPO(Target, actor=pr.TanhNormal("a | s", pr.mlp(1, 8, 2)), ent_coef=0.01, **SMALL)
    assert "entropy_t = -log" in agent.text() and "~" in agent.text()
    agent.learn(16)
    assert np.isfinite(agent.metrics.rows[-1]["entropy"])


def test_own_parts_beside_a_shared_encoder():
    actor, critic = pr.Categorical("a | e", nn.Linear(8, 2)), pr.Deterministic("v | e", nn.Linear(8, 1))
    agent = pr.PPO(Asked, actor=actor, critic=critic, shared_encoder=True, hidden=(8,), **SMALL).learn(16)
    assert agent.actor is actor and agent.encoder is not None and agent.predict(np.zeros(1)) in (0, 1)


def test_own_networks_take_dicts():
    class Mine(nn.Module):
        def __init__(self, out):
            super().__init__()
            self.kind, self.sign = nn.Embedding(2, out), nn.Linear(1, out)

        def forward(self, s):
            return self.kind(s["kind"]) * self.sign(s["inside"]["sign"])

    actor = pr.Categorical("a | s", Mine(2))
    agent = pr.PPO(Several, seed=1, actor=actor, critic=pr.Deterministic("v | s", Mine(1)), **FAST).learn(4_000)
    assert agent.evaluate(episodes=32).mean == 1.0


def test_an_encoder_of_ones_own(tmp_path):
    def encoder():
        return pr.Deterministic("e | s", nn.Sequential(nn.Linear(1, 8), nn.Tanh()), rank=1, name="h")

    torch.manual_seed(0)
    mine = encoder()
    agent = pr.PPO(Echo, seed=1, shared_encoder=mine, gamma=0.99, **FAST).learn(4_000)
    assert agent.encoder is mine and agent.evaluate(episodes=32).mean == 1.0 and "V_φ(h(s_t))" in agent.text()
    agent.save(tmp_path / "run")
    with pytest.raises(ProbrlError, match="your own shared_encoder: hand it over"):
        pr.load(tmp_path / "run", env=Echo)
    back = pr.load(tmp_path / "run", env=Echo, shared_encoder=encoder())
    assert back.evaluate(episodes=32).mean == 1.0


@pytest.mark.parametrize("wrong", [pr.Normal("e | s", pr.mlp(1, 8)), pr.Deterministic("e | s", pr.mlp(1, 8)), "yes", 3])
def test_what_is_no_encoder_is_refused(wrong):
    with pytest.raises(ProbrlError, match=r"pr\.Deterministic\('e \| s', network, rank=1\)"):
        pr.PPO(Echo, shared_encoder=wrong, **SMALL)


class TwoNumbers(nn.Module):
    """A network of which nobody can say before it is asked what it gives."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(4, 2)

    def forward(self, s):
        return self.line(s)


MISFITS = {
    "two values": (lambda: {"critic": pr.Deterministic("v | s", pr.mlp(4, 8, 2))}, r"the critic f says no one number"),
    "two of a kind": (lambda: {"critic": pr.Deterministic("v | s", TwoNumbers())}, r"the critic f says no one number"),
    "other inputs": (lambda: {"critic": pr.Deterministic("v | s", pr.mlp(5, 1))}, r"observations \(4,\): the network"),
    "blind actor": (lambda: {"actor": pr.Categorical("a | s", pr.mlp(3, 2))}, r"the actor p draws no action for each"),
    "other name": (lambda: {"actor": pr.Categorical("u | s", pr.mlp(4, 2))}, r"draws u: what is done is called a"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_cannot_be_learned_with_is_refused_when_the_agent_is_made(name):
    parts, message = MISFITS[name]
    with pytest.raises(ProbrlError, match=message):
        pr.PPO("CartPole-v1", **parts(), **SMALL)


def test_a_density_that_is_followed_by_steps_has_no_behavior():
    actor = pr.Diffusion("a | s", pr.networks.TimeMLP(1, condition=1, hidden=(8,)))
    with pytest.raises(ProbrlError, match=r"\.behavior is known by the log-probabilities .*pr\.Snapshot"):
        pr.PPO(Target, actor=actor, **SMALL).learn(16)


def test_trying_parts_leaves_them_and_random_streams_as_they_were():
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    following = torch.rand(2)
    torch.manual_seed(3)
    agent = pr.PPO("CartPole-v1", critic=pr.Deterministic("v | s", network), **SMALL)
    assert torch.equal(torch.rand(2), following) and all(m.training for m in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    plain = pr.PPO("CartPole-v1", **SMALL)
    assert torch.equal(agent._generator.get_state(), plain._generator.get_state())

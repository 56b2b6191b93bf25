"""Advantage actor-critic: one update, one graph."""

import pytest

import probrl as pr
from tests.algorithms import SMALL, agent, played


def test_a_rollout_is_one_unit_and_one_pass_through_each_network_per_argument():
    made = agent("a2c", "CartPole-v1", **SMALL)
    batch, calls = played(made), []
    for network, name in ((made.actor.net, "actor"), (made.critic.net, "critic")):
        network.register_forward_hook(lambda *_, name=name: calls.append(name))
    made.update(dict(batch))
    assert sorted(calls) == ["actor", "critic", "critic"]
    assert len(made.program.steps) == 2 and len(made.update.runner.units()) == 1


def test_with_lambda_one_the_critic_is_fitted_to_discounted_returns():
    made = agent("a2c", "CartPole-v1", gamma=0.5, **{**SMALL, "num_steps": 3})
    batch = played(made)
    metrics = made.update(dict(batch))  # nobody falls in three steps, and the critic's first values are near none
    v_end = made.critic.net(batch["s_next"][:, -1]).detach().mean()
    returns = [1.75, 1.5, 1.0]
    assert float(metrics["R"]) == pytest.approx(sum(returns) / 3, abs=0.3 + abs(float(v_end)))


def test_cartpole_is_learned():
    agent = pr.A2C("CartPole-v1", seed=1, progress=False).learn(24_000)
    rows = agent.metrics.rows
    assert max(row["episode_return"] for row in rows[100:]) > 100

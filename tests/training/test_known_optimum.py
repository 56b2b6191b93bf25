"""Environments with a known optimum are solved, and the values that are learned are the right ones."""

import numpy as np
import pytest
import torch

from probrl.training import agent_of
from tests.envs.known import Delayed, Echo, Endless, OneStep, Patience, Target
from tests.training.twin import TwinPPO

PPO = agent_of(TwinPPO)
FAST = {"num_envs": 8, "num_steps": 16, "minibatch": 64, "epochs": 6, "learning_rate": 3e-3, "progress": False}


def value(agent, *observation):
    with torch.no_grad():
        return float(agent.critic(torch.tensor([observation], dtype=torch.float32)).squeeze())


@pytest.mark.parametrize("env", [OneStep, Echo, Delayed])
def test_the_best_policy_is_found(env):
    agent = PPO(env, seed=1, gamma=0.99, lam=0.95, **FAST).learn(6_000)
    assert agent.evaluate(episodes=32).mean == 1.0


def test_a_real_action_goes_to_the_target():
    agent = PPO(Target, seed=1, **{**FAST, "learning_rate": 1e-2}).learn(12_000)
    assert agent.evaluate(episodes=4).mean > -0.01
    assert agent.predict(np.zeros(1)).shape == (1,)
    assert agent.predict(np.zeros((5, 1))).shape == (5, 1)


@pytest.mark.parametrize(("gamma", "best"), [(0.9, 0), (0.3, 1)])
def test_waiting_pays_only_under_a_large_discount_factor(gamma, best):
    agent = PPO(lambda: Patience(later=2.0), seed=1, gamma=gamma, lam=1.0, **FAST).learn(8_000)
    assert agent.predict(np.zeros(1)) == best


@pytest.mark.parametrize("terminates", [False, True])
def test_a_truncated_episode_bootstraps_and_a_terminated_one_does_not(terminates):
    """The clock is not seen, so it is one state: v = 1 + gamma v, or 1 + gamma v / 2 if every second step ends."""
    gamma = 0.5
    agent = PPO(lambda: Endless(2, terminates), seed=1, gamma=gamma, lam=0.0, **FAST).learn(10_000)
    expected = 1 / (1 - gamma / 2) if terminates else 1 / (1 - gamma)
    assert value(agent, 0.0) == pytest.approx(expected, abs=0.1)

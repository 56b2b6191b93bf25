"""How PPO prints with each of its options: golden pages of whole agents."""

import pytest

import probrl as pr
from probrl.algorithms.ppo import PPO
from probrl.envs import Choices, Continuous, Discrete, Entries, MultiBinary, MultiDiscrete, Observation, Spaces
from probrl.training import Agent
from tests.printing.test_golden import compared

BOX, TWO = Observation((3,)), Discrete(2)
SEVERAL = Entries((("kind", Choices((2,), (0,))), ("arm", Entries((("angles", BOX),)))))
SCHEDULES = {
    "learning_rate": 3e-4 * (1 - pr.progress),
    "clip_coef": pr.maximum(0.2 * (1 - pr.progress), 0.05),
    "ent_coef": pr.where(pr.iteration < 10, 0.01, 0.0),
}

VARIANTS = {
    "continuous": ({}, BOX, Continuous((2,), (-1.0, -1.0), (1.0, 1.0))),
    "multi_discrete": ({}, BOX, MultiDiscrete((2, 3), (0, 0), (2,))),
    "multi_binary": ({}, BOX, MultiBinary((4,))),
    "shared_encoder": ({"shared_encoder": True}, BOX, TWO),
    "picture": ({"shared_encoder": True}, Observation((36, 36, 1), "uint8"), TWO),
    "norm_obs": ({"norm_obs": True}, BOX, TWO),
    "norm_reward": ({"norm_reward": True}, BOX, TWO),
    "dict": ({"norm_obs": True}, SEVERAL, TWO),
    "schedules": (SCHEDULES, BOX, TWO),
    "no_norm_adv": ({"norm_adv": False}, BOX, TWO),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variant(name):
    options, observation, action = VARIANTS[name]
    agent = Agent(PPO(**options, hidden=(8,)), None, spaces=Spaces(observation, action))
    compared(f"variants/ppo_{name}.tex", agent.latex() + "\n")
    compared(f"variants/ppo_{name}.txt", agent.text() + "\n")


def test_own_distributions_are_named_on_the_page():
    actor = pr.TanhNormal("a | s", pr.mlp(3, 8, 4), name=r"\mu")
    agent = Agent(PPO(ent_coef=0.01), None, spaces=Spaces(BOX, VARIANTS["continuous"][2]), parts={"actor": actor})
    compared("variants/ppo_tanh_normal.txt", agent.text() + "\n")


def test_no_two_variants_are_one():
    digests = set()
    for options, observation, action in VARIANTS.values():
        agent = Agent(PPO(**options, hidden=(8,)), None, spaces=Spaces(observation, action))
        digests.add(agent.digest)
    # a picture is only another network, and the one array of a dict only another name
    assert len(digests) == len(VARIANTS) - 2

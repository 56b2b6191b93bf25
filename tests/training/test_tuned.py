"""Hyper-parameters per family of environments: read where nothing was chosen, never over a choice."""

import dataclasses

import gymnasium
import pytest

import probrl as pr
from probrl.envs import family, listed
from probrl.training.catalogue import algorithm_class, algorithm_names, check_hyper_parameters
from probrl.training.tuned import families, table, tuned
from tests.envs.known import OneStep

PPO = algorithm_class("ppo")
FAMILIES = {"classic_control", "box2d", "mujoco", "images"}


@pytest.mark.parametrize("name", algorithm_names())
def test_every_table_fits_its_algorithm(name):
    algorithm = algorithm_class(name)
    assert set(table(algorithm)) <= FAMILIES
    known = {env.rpartition("-v")[0] for env in listed()}
    for where, values in families(algorithm).items():
        assert where in FAMILIES | known
        filled = algorithm(**values)
        check_hyper_parameters(filled)
        for key, value in values.items():
            assert type(value) is type(getattr(algorithm, key)), f"{where}: {key}"
        parts = values.get("num_minibatches", 1)
        assert filled.num_envs * filled.num_steps % parts == 0, f"{where}: rows are left over in every epoch"


def test_an_agent_takes_what_suits_its_environment():
    agent = pr.PPO("Pendulum-v1")
    assert (agent.algorithm.gamma, agent.algorithm.num_steps) == (0.9, 1024)
    assert pr.PPO("CartPole-v1").algorithm.num_envs == 10
    assert pr.PPO(OneStep).algorithm == PPO()


def test_a_choice_wins():
    assert pr.PPO("Pendulum-v1", gamma=0.5).algorithm.gamma == 0.5
    assert pr.PPO("Pendulum-v1", tuned=False).algorithm == PPO()
    assert pr.PPO("Pendulum-v1", gamma=PPO.gamma).algorithm.gamma == PPO.gamma


@pytest.mark.parametrize(("given", "parts"), [({"num_envs": 2}, 32), ({"num_steps": 16}, 1), ({"num_envs": 0}, 16)])
def test_a_minibatch_keeps_its_size(given, parts):
    assert tuned(PPO, "Pendulum-v1", given)["num_minibatches"] == parts
    assert tuned(PPO, "Pendulum-v1", {**given, "num_minibatches": 7})["num_minibatches"] == 7


def test_an_instance_is_as_many_as_it_is():
    assert pr.PPO(gymnasium.make("Pendulum-v1")).algorithm.num_envs == 1
    assert pr.PPO(gymnasium.make("Pendulum-v1")).algorithm.gamma == 0.9
    assert pr.PPO(gymnasium.make_vec("CartPole-v1", 3)).algorithm.num_envs == 3
    assert pr.PPO(OneStep).algorithm == PPO()


def test_families_are_known_without_making_anything():
    assert family("HalfCheetah-v5") == ("mujoco", "HalfCheetah") and family("LunarLander-v3")[0] == "box2d"
    assert family("Nothing-v0") == ("", "") and family(lambda: 1 / 0) == ("", "")


def test_what_shows_pixels_is_a_family():
    class Pixels(OneStep):
        observation_space = gymnasium.spaces.Box(0, 255, (8, 8, 3), "uint8")

        def __init__(self):
            super().__init__()
            self.observation_space = Pixels.observation_space

    assert family(Pixels()) == ("images", "")


def test_ones_own_algorithm_has_its_own_defaults():
    @dataclasses.dataclass(frozen=True)
    class Mine(PPO):
        gamma: float = 0.7

    assert tuned(Mine, "Pendulum-v1") == {}

"""What becomes an environment, what is refused, and how the message reads."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from probrl.envs import Continuous, Discrete, Environments, Observation, Spaces, listed, make
from probrl.errors import EnvironmentError, MissingExtraError
from tests.envs.known import Clock, Known, OneStep, Target


def test_an_id_takes_the_native_vector_environment():
    environments = make("CartPole-v1", 3)
    assert type(environments.vector).__name__ == "CartPoleVectorEnv"
    assert environments.num_envs == 3 and environments.name == "CartPole-v1"
    assert environments.spaces == Spaces(Observation((4,)), Discrete(2))


def test_an_id_without_one_takes_copies_in_turn():
    environments = make("Pendulum-v1", 2)
    assert isinstance(environments.vector, SyncVectorEnv)
    assert environments.spaces.action == Continuous((1,), (-2.0,), (2.0,))
    assert environments.reset(seed=1).shape == (2, 3)


def test_callables_instances_and_vector_environments():
    assert make(OneStep, 4).num_envs == 4
    assert make(OneStep()).num_envs == 1
    vector = SyncVectorEnv([OneStep, OneStep])
    assert make(vector).vector is vector and make(vector).num_envs == 2
    assert make(OneStep).name == "OneStep"


def test_constructor_arguments_reach_the_environment():
    environments = make("CartPole-v1", 2, sutton_barto_reward=True)
    environments.reset(seed=0)
    assert environments.step(np.zeros(2, np.int64)).reward.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("name", "near"),
    [("CartPole-v2", "CartPole-v1"), ("cartpole", "CartPole-v1"), ("LunarLander-v2", "LunarLander-v3"),
     ("Pendulm-v1", "Pendulum-v1"), ("MountainCar", "MountainCar-v0")],
)  # fmt: skip
def test_an_unknown_id_is_refused_with_the_nearest(name, near):
    with pytest.raises(EnvironmentError, match=rf"^no environment is called '{name}': did you mean '{near}'\?$"):
        make(name)


def test_an_id_like_nothing_says_where_to_look():
    with pytest.raises(EnvironmentError, match=r"probrl list shows .*'ale_py:ALE/Pong-v5'$"):
        make("zzzzzzzz")


def test_a_module_that_is_not_there():
    with pytest.raises(EnvironmentError, match="module 'no_such_module' cannot be imported"):
        make("no_such_module:Thing-v0")


def test_a_missing_simulator_says_what_to_install(monkeypatch):
    def absent(*args, **kwargs):
        raise gymnasium.error.DependencyNotInstalled("MuJoCo is not installed")

    monkeypatch.setattr(gymnasium, "make", absent)
    with pytest.raises(MissingExtraError, match=r"^HalfCheetah-v5 needs .*pip install 'probrl\[envs\]'$"):
        make("HalfCheetah-v5")


@pytest.mark.parametrize("count", [0, -1, 2.0, True, "2"])
def test_a_count_is_a_positive_whole_number(count):
    with pytest.raises(EnvironmentError, match="num_envs must be a positive whole number"):
        make("CartPole-v1", count)


def test_counts_that_cannot_be():
    with pytest.raises(EnvironmentError, match="has 2 copies, but num_envs is 3"):
        make(SyncVectorEnv([OneStep, OneStep]), 3)
    with pytest.raises(EnvironmentError, match="hand over a callable"):
        make(OneStep(), 2)


@pytest.mark.parametrize(("thing", "message"), [(3, "not int"), (lambda: 3, "it returned int")])
def test_what_is_no_environment(thing, message):
    with pytest.raises(EnvironmentError, match=message):
        make(thing)


def test_an_autoreset_mode_that_is_not_stated():
    vector = SyncVectorEnv([Clock])
    vector.metadata = {}
    with pytest.raises(EnvironmentError, match=r"metadata\['autoreset_mode'\]"):
        make(vector)


def test_actions_are_clipped_into_the_box_and_shifted_to_the_start():
    class Shifted(Known):
        action_space = spaces.Discrete(2, start=5)

        def reset(self, *, seed=None, options=None):
            return np.zeros(1, np.float32), {}

        def step(self, action):
            return np.zeros(1, np.float32), float(action), False, False, {}

    environments = make(Shifted)
    environments.reset()
    assert environments.step(np.array([1])).reward.tolist() == [6.0]
    environments = make(Target, 2)
    environments.reset()
    assert environments.step(np.array([[7.0], [-3.0]])).reward.tolist() == [-0.25, -2.25]


def test_the_same_seed_gives_the_same_starts():
    a, b = make("CartPole-v1", 4), make("CartPole-v1", 4)
    assert np.array_equal(a.reset(seed=3), b.reset(seed=3))
    assert not np.array_equal(a.reset(seed=3), b.reset(seed=4))


def test_listed_has_the_newest_versions_only():
    names = listed()
    assert "CartPole-v1" in names and "CartPole-v0" not in names and names == sorted(names)


def test_environments_are_not_made_twice():
    with pytest.raises(EnvironmentError, match="made already"):
        make(Environments(SyncVectorEnv([OneStep], autoreset_mode=AutoresetMode.SAME_STEP)))

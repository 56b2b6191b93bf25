"""Environments go on from their state bit for bit, or say that they cannot."""

import io
import re
from functools import partial

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import (
    FrameStackObservation,
    NormalizeObservation,
    RecordEpisodeStatistics,
    TimeLimit,
    TransformReward,
)

from probrl.envs import make
from probrl.errors import EnvironmentError
from tests.envs.kept import (
    FromAnywhere,
    InAttributes,
    InSimulator,
    Remembering,
    Seeing,
    Shared,
    Stumbling,
    Telling,
    WithData,
)
from tests.envs.known import Clock
from tests.envs.playing import goes_on, play, same, stored

CLASSIC = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"]
LIMIT = partial(TimeLimit, max_episode_steps=20)


@pytest.mark.parametrize("checker", [True, False])
@pytest.mark.parametrize("name", CLASSIC)
def test_classic_control_in_turn(name, checker):
    """Every wrapper that gymnasium.make puts around it counts and checks on; episodes end on the way."""
    new = partial(gymnasium.make, name, max_episode_steps=20, disable_env_checker=not checker)
    state, alike, ended = goes_on(lambda: make(new, 3, "sync"))
    assert (state["kind"], alike) == ("exact", True) and ended >= 3


@pytest.mark.parametrize("name", CLASSIC)
def test_classic_control_by_id(name):
    """Natively where there is such an environment."""
    state, alike, _ = goes_on(lambda: make(name, 3))
    assert (state["kind"], alike) == ("exact", True)


def test_native_cartpole_through_resets_and_cuts():
    state, alike, ended = goes_on(lambda: make("CartPole-v1", 4, "native", max_episode_steps=15), before=57)
    assert (state["kind"], alike) == ("exact", True) and ended >= 8


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("before", [9, 10])
def test_a_vector_environment_of_the_users_under_every_autoreset_mode(mode, before):
    """Also right after an end, where NEXT_STEP owes a reset."""
    new = partial(gymnasium.make, "CartPole-v1", max_episode_steps=5)
    vector = partial(SyncVectorEnv, [new] * 2, autoreset_mode=mode)
    state, alike, ended = goes_on(lambda: make(vector()), before=before)
    assert (state["kind"], alike) == ("exact", True) and ended >= 10


KINDS = dict.fromkeys((InAttributes, Shared, Telling, WithData), "exact") | {InSimulator: "replay", Stumbling: "replay"}


@pytest.mark.parametrize("env", KINDS)
def test_environments_of_the_users(env):
    state, alike, ended = goes_on(lambda: make(env, 3))
    assert (state["kind"], alike) == (KINDS[env], True) and ended >= 3


@pytest.mark.parametrize("env", ["Pendulum-v1", InSimulator, Shared])
def test_copies_in_processes(env):
    state, alike, _ = goes_on(lambda: make(env, 2, "async"), before=25, after=25)
    assert (state["kind"], alike) == (KINDS.get(env, "exact"), True)


@pytest.mark.parametrize("new", [
    lambda env: FrameStackObservation(env, 3),
    lambda env: RecordEpisodeStatistics(NormalizeObservation(env)),
    lambda env: TransformReward(env, lambda reward: 2 * reward),
    LIMIT,
])  # fmt: skip
@pytest.mark.parametrize("env", [InAttributes, InSimulator])
def test_wrappers_between(env, new):
    state, alike, ended = goes_on(lambda: make(env, 2, wrappers=[new]))
    assert (state["kind"], alike) == (KINDS[env], True) and ended >= 2


def test_observations_that_are_dicts():
    state, alike, ended = goes_on(lambda: make(Seeing, 2))
    assert (state["kind"], alike) == ("exact", True) and ended >= 20


class Nested(Seeing):
    """The same in a dict in a dict, beside something that cannot be told."""

    observation_space = gymnasium.spaces.Dict(inner=Seeing.observation_space)

    def see(self):
        self.closed = iter(())
        return {"inner": super().see()}


def test_dicts_in_dicts_are_played_again():
    state, alike, ended = goes_on(lambda: make(Nested, 2))
    assert (state["kind"], alike) == ("replay", True) and ended >= 20


def left(env):
    """Environments whose episodes go another way when they are played again, and what they had come to."""
    for _ in range(20):  # a draw from anywhere may end all episodes with the last step, and then none is under way
        first = make(env, 2)
        first.reset(seed=0)
        play(first, 30, np.random.default_rng(0))
        state = first.state()
        assert state["kind"] == "replay"
        second = make(env, 2)
        try:
            second.set_state(stored(state))
        except EnvironmentError as error:
            return first, second, str(error)
    raise AssertionError("it went on twenty times")


@pytest.mark.parametrize("env", [Remembering, FromAnywhere])
def test_an_episode_that_goes_another_way_is_refused_and_new_ones_begin(env):
    first, second, said = left(env)
    assert re.search(r"^\w+ cannot go on: copy \d: its episode, .* went another way$", said)
    assert not second.started and second.episodes.finished == first.episodes.finished
    second.reset(seed=1)
    play(second, 3, np.random.default_rng(0))


def test_copies_that_nobody_can_ask_say_so():
    vector = AsyncVectorEnv([InAttributes], autoreset_mode=AutoresetMode.SAME_STEP)
    environments = make(vector)
    environments.reset(seed=0)
    state = environments.state()
    environments.close()
    assert state["kind"] == "none" and "other processes hold its copies" in state["reason"]
    again = make(AsyncVectorEnv([InAttributes], autoreset_mode=AutoresetMode.SAME_STEP))
    with pytest.raises(EnvironmentError, match="with vectorization='async'"):
        again.set_state(stored(state))
    again.close()


def test_large_arrays_that_nobody_moves_are_not_kept():
    environments = make(type("Small", (WithData,), {"cells": 1}), 2)
    environments.reset(seed=0)
    file = io.BytesIO()
    torch.save(environments.state(), file)
    assert file.tell() < 50_000
    play(environments, 5, np.random.default_rng(0))
    torch.save(environments.state(), file)
    assert 2 * 320_000 < file.tell() < 3 * 320_000  # the one that was written to, of each copy


class Told(VectorEnv):
    """A vector environment that keeps its state where nobody can look, and tells it."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012
    num_envs = 2
    single_observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    single_action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.hidden = iter(range(1000))
        return np.zeros((2, 1), np.float32), {}

    def step(self, actions):
        t = next(self.hidden)
        noise = self.np_random.normal(size=(2, 1)).astype(np.float32)
        return noise + t, np.ones(2), np.zeros(2, bool), np.zeros(2, bool), {}


class Telling2(Told):
    def state(self):
        left = next(self.hidden)
        self.hidden = iter(range(left, 1000))
        return {"left": left}

    def set_state(self, state):
        self.hidden = iter(range(state["left"], 1000))


def test_vector_environments_of_the_users():
    state, alike, _ = goes_on(lambda: make(Telling2()))
    assert (state["kind"], alike) == ("exact", True)
    environments = make(Told())
    environments.reset(seed=0)
    state = environments.state()
    assert state["kind"] == "none" and state["reason"] == "Told: Told.hidden is a range_iterator"


def test_before_the_first_reset_there_is_nothing_to_tell():
    state = make("CartPole-v1", 2).state()
    environments = make("CartPole-v1", 2)
    environments.set_state(stored(state))
    assert state["kind"] == "exact" and not environments.started


def test_a_state_of_others_is_refused():
    state = make("CartPole-v1", 2).state()
    with pytest.raises(EnvironmentError, match="the state is of 2 of CartPole-v1, here are 3 of CartPole-v1"):
        make("CartPole-v1", 3).set_state(state)
    plain, wrapped = make(Clock, 1), make(Clock, 1, wrappers=[LIMIT])
    plain.reset(seed=0)
    with pytest.raises(
        EnvironmentError, match="Clock cannot go on: copy 0: it was Clock, here it is TimeLimit > Clock"
    ):
        wrapped.set_state(plain.state())


def test_asking_moves_nothing():
    """The state may be asked for at any time: what is played afterwards is the same."""
    runs = []
    for ask in (False, True):
        environments, rng = make(InSimulator, 2), np.random.default_rng(0)
        environments.reset(seed=0)
        for _ in range(4):
            if ask:
                environments.state()
            runs.append(play(environments, 7, rng))
    assert same(runs[:4], runs[4:])


def test_states_are_plain():
    environments = make(InAttributes, 1)
    environments.reset(seed=0)

    def plain(value):
        if isinstance(value, dict):
            return all(isinstance(k, str) and plain(v) for k, v in value.items())
        if isinstance(value, (list, tuple)):
            return all(plain(v) for v in value)
        return value is None or type(value) in (bool, int, float, str, bytes, torch.Tensor)

    assert plain(environments.state())


@pytest.mark.parametrize("name", ["HalfCheetah-v5", "Ant-v5", "LunarLander-v3", "BipedalWalker-v3"])
def test_simulators(name):
    """MuJoCo tells its state; Box2D's episodes are played again."""
    pytest.importorskip("mujoco" if "-v5" in name else "Box2D")
    state, alike, _ = goes_on(lambda: make(name, 2), before=60, after=30)
    assert (state["kind"], alike) == ("exact" if "-v5" in name else "replay", True)

"""What an agent sees and does: read from gymnasium's spaces, kept in manifests, executed; what is refused and how."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from probrl.envs import (
    Choices,
    Continuous,
    Discrete,
    Entries,
    Environments,
    MultiBinary,
    MultiDiscrete,
    Observation,
    Spaces,
    read_spaces,
)
from probrl.errors import EnvironmentError

BOX, CHOICE = spaces.Box(-1, 1, (2,)), spaces.Discrete(3)
PICTURE = spaces.Box(0, 255, (8, 8, 3), np.uint8)
SEEN = [
    (BOX, Observation((2,))),
    (spaces.Box(-1, 1, ()), Observation(())),
    (PICTURE, Observation((8, 8, 3), "uint8")),
    (spaces.MultiBinary(3), Observation((3,), "int8")),
    (spaces.Discrete(5), Choices((5,), (0,))),
    (spaces.Discrete(5, start=-2), Choices((5,), (-2,))),
    (spaces.MultiDiscrete([2, 3], start=[1, 0]), Choices((2, 3), (1, 0), (2,))),
    (spaces.MultiDiscrete([[2, 3], [4, 5]]), Choices((2, 3, 4, 5), (0, 0, 0, 0), (2, 2))),
    (spaces.Dict(b=BOX, a=CHOICE), Entries((("b", Observation((2,))), ("a", Choices((3,), (0,)))))),
    (spaces.Dict(arm=spaces.Dict(x=BOX), eye=PICTURE),
     Entries((("arm", Entries((("x", Observation((2,))),))), ("eye", Observation((8, 8, 3), "uint8"))))),
]  # fmt: skip
DONE = [
    (spaces.Discrete(3, start=2), Discrete(3, 2)),
    (spaces.MultiDiscrete([2, 3]), MultiDiscrete((2, 3), (0, 0), (2,))),
    (spaces.MultiDiscrete([[2], [3]], start=[[1], [2]]), MultiDiscrete((2, 3), (1, 2), (2, 1))),
    (spaces.MultiBinary((2, 2)), MultiBinary((2, 2))),
    (spaces.Box(-2, 3, ()), Continuous((), (-2.0,), (3.0,))),
    (spaces.Box(-2, 3, (2, 2), np.float64), Continuous((2, 2), (-2.0,) * 4, (3.0,) * 4, "float64")),
]


@pytest.mark.parametrize(("space", "expected"), SEEN)
def test_what_is_seen(space, expected):
    found = read_spaces(space, CHOICE)
    assert found == Spaces(expected, Discrete(3)) and Spaces.from_json(found.to_json()) == found
    assert hash(found) == hash(Spaces.from_json(found.to_json()))


@pytest.mark.parametrize(("space", "expected"), DONE)
def test_what_is_done(space, expected):
    found = read_spaces(BOX, space)
    assert found == Spaces(Observation((2,)), expected) and Spaces.from_json(found.to_json()) == found
    # whatever a policy draws is an action of the space when it is executed
    drawn = np.zeros((4, *expected.drawn), np.int64 if expected.whole else np.float32)
    for action in expected.executable(drawn):
        assert space.contains(np.asarray(action, space.dtype))


def test_the_size_is_how_many_numbers_a_network_gets():
    assert [read_spaces(space, CHOICE).observation.size for space, _ in SEEN] == [2, 1, 192, 3, 5, 5, 5, 14, 5, 194]


def test_pictures_are_bytes():
    assert Observation((84, 84, 4), "uint8").is_image and Observation((84, 84), "uint8").is_image
    assert not Observation((128,), "uint8").is_image and not Observation((84, 84, 3)).is_image


UNSUPPORTED = [
    (spaces.Tuple((BOX, BOX)), CHOICE, "observation space Tuple.*FlattenObservation"),
    (spaces.Text(4), CHOICE, "observation space Text.*MultiDiscrete"),
    (spaces.Graph(BOX, CHOICE), CHOICE, "observation space Graph.*fixed sizes"),
    (spaces.Sequence(BOX), CHOICE, "observation space Sequence.*greatest length"),
    (spaces.OneOf((BOX, CHOICE)), CHOICE, "observation space OneOf.*TransformObservation"),
    (spaces.Dict(a=BOX, b=spaces.Text(4)), CHOICE, "observation space's 'b', Text"),
    (spaces.Dict(), CHOICE, "has no entries"),
    (spaces.Box(-1, 1, (2, 0)), CHOICE, "has no numbers"),
    (spaces.Dict({"a.b": BOX, "a": spaces.Dict(b=BOX)}), CHOICE, "two entries called 'a.b': rename one"),
    (BOX, spaces.Dict(a=CHOICE), "action space Dict.*TransformAction"),
    (BOX, spaces.Tuple((CHOICE, CHOICE)), "action space Tuple"),
    (BOX, spaces.Text(4), "action space Text"),
    (BOX, spaces.Graph(BOX, CHOICE), "action space Graph"),
    (BOX, spaces.Sequence(CHOICE), "action space Sequence"),
    (BOX, spaces.Box(-np.inf, np.inf, (2,)), "is unbounded: leave gymnasium.wrappers.ClipAction out"),
    (BOX, spaces.Box(0, np.inf, (2,)), "is unbounded"),
    (BOX, spaces.Box(0, 9, (2,), np.int64), "whole numbers"),
]


@pytest.mark.parametrize(("observation", "action", "message"), UNSUPPORTED)
def test_unsupported_spaces_are_refused_by_name(observation, action, message):
    with pytest.raises(EnvironmentError, match=message) as caught:
        read_spaces(observation, action)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("plain", [{"kind": "other"}, {"kind": "choices"}, {"shape": [2]}])
def test_a_manifest_of_something_else(plain):
    with pytest.raises((KeyError, ValueError)):
        Spaces.from_json({"observation": plain, "action": {"kind": "discrete", "n": 2, "start": 0}})
    with pytest.raises((KeyError, ValueError)):
        Spaces.from_json({"observation": {"shape": [2], "dtype": "float32"}, "action": plain})


class Told(gymnasium.Env):
    """Shows a number and how many steps were made; ends after two of them."""

    observation_space = spaces.Dict(number=spaces.Box(-9, 9, (1,)), step=spaces.Discrete(3))
    action_space = spaces.MultiDiscrete([2, 3], start=[0, 5])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.step_, self.last = 0, [0, 0]
        return self.seen(), {}

    def seen(self):
        return {"number": np.array([float(self.last[1])], np.float32), "step": self.step_}

    def step(self, action):
        self.step_, self.last = self.step_ + 1, action
        return self.seen(), float(action[0]), self.step_ == 2, False, {}


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_dicts_have_their_true_last_observation(mode):
    environments = Environments(SyncVectorEnv([Told, Told], autoreset_mode=mode, copy=False))
    assert environments.reset(seed=0)["number"].shape == (2, 1)
    environments.step(np.array([[1, 2], [0, 0]]))
    step = environments.step(np.array([[1, 1], [0, 2]]))
    assert step.reward.tolist() == [1.0, 0.0] and step.terminated.all()
    assert step.next_observation["step"].tolist() == [2, 2]
    assert step.next_observation["number"].tolist() == [[6.0], [7.0]]  # numbered from 5 on
    assert step.observation["step"].tolist() == ([0, 0] if mode is AutoresetMode.SAME_STEP else [2, 2])


def test_an_entry_of_another_shape_is_named():
    class Wrong(Told):
        def seen(self):
            return {"number": np.zeros(1, np.float32), "step": 0}

    vector = SyncVectorEnv([Wrong])
    vector.single_observation_space = spaces.Dict(number=spaces.Box(-9, 9, (2,)), step=spaces.Discrete(3))
    with pytest.raises(
        EnvironmentError, match=r"its observations' 'number' of shape \(2,\) but gave, in all, \(1, 1\)"
    ):
        Environments(vector, "Wrong").reset()

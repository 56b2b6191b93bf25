"""Quick answers about actions are gymnasium's answers."""

import numpy as np
import pytest
from gymnasium import spaces

from probrl.envs import make
from probrl.envs.choices import SameChoices

SPACE = spaces.MultiDiscrete([3, 3, 3, 3])
ASKED = [
    np.array([0, 1, 2, 0]), np.array([0, 1, 3, 0]), np.array([0, -1, 2, 0]), np.array([0, 1, 2]), [0, 1, 2, 0], None,
    np.array([0, 1, 2, 0], np.int32), np.array([0.0, 1, 2, 0]), np.array([[0, 1, 2, 0]]), np.array([0, 1, 2, 2**62]),
    np.array([0, 9, 1, 9, 2, 9, 0, 9])[::2],
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_the_same_answer(asked):
    assert SameChoices(SPACE).contains(asked) == SPACE.contains(asked)


def test_which_spaces():
    assert SameChoices.fits(SPACE)
    assert not SameChoices.fits(spaces.MultiDiscrete([3, 2]))
    assert not SameChoices.fits(spaces.MultiDiscrete([3, 3], start=[1, 1]))
    assert not SameChoices.fits(spaces.Discrete(3))


def test_a_native_environment_has_it_and_still_refuses():
    environments = make("CartPole-v1", num_envs=2)
    assert isinstance(environments.vector.unwrapped.action_space, SameChoices)
    environments.reset(seed=1)
    with pytest.raises(Exception, match="AssertionError"):
        environments.step(np.array([0, 2]))

"""What simulators exceed by a little is let pass after a reset; what is wrongly declared is not."""

import numpy as np
import pytest
from gymnasium import spaces

from probrl.envs.bounds import Bounds
from probrl.errors import EnvironmentError

BOX = spaces.Box(-np.pi, np.pi, (2,), np.float32)


def seen(value):
    return np.full((1, 3, 2), value, np.float32)


def test_a_hull_that_turns_too_far():
    bounds = Bounds(BOX, "Walker")
    bounds.look(seen(3.187), step=0)
    with pytest.raises(EnvironmentError, match=r"at the reset before step 0: \[0\] is 3.187"):
        bounds.look(seen(3.187)[:, :1], step=0, reset=True)
    with pytest.raises(EnvironmentError, match="outside its space"):
        bounds.look(seen(10.0), step=0)


def test_later_ten_times_the_width():
    bounds = Bounds(BOX, "Walker")
    bounds.strict = False
    bounds.look(seen(60.0), step=9)
    with pytest.raises(EnvironmentError, match="outside its space"):
        bounds.look(seen(80.0), step=9)

"""What no solver can be made with is refused when it is made, by name."""

import pytest

from probrl.errors import DataError
from probrl.solvers import Adaptive
from tests.solvers.oracle import KINDS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": 0}, "whole number from 1 on"),
        ({"steps": True}, "whole number from 1 on"),
        ({"steps": 2.0}, "whole number from 1 on"),
        ({"grid": "cosine"}, "the grids are 'uniform'"),
        ({"grid": [1.0, 0.5]}, r"sample\(grid="),
    ],
)
def test_steps_and_grids(kind, wrong, said):
    with pytest.raises(DataError, match=said):
        kind(**wrong)


def test_methods_that_torchdiffeq_does_not_have():
    with pytest.raises(DataError, match=r"method='nope'\): .*dopri5"):
        Adaptive(method="nope")
    assert Adaptive(method="rk4").method == "rk4"

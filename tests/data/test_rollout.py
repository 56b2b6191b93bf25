"""Rollout columns: layout, types, what is kept of a step, and what is refused."""

import numpy as np
import pytest
import torch

from probrl.data import Rollout
from probrl.errors import NonFiniteError

N, T = 3, 4


def filled(**changes):
    rollout = Rollout(N, T, (2,), (), discrete=True)
    for t in range(T):
        seen = rollout.observe(np.full((N, 2), t, np.float32) + np.arange(N)[:, None] * 10)
        assert seen.shape == (N, 2) and seen.dtype is torch.float32
        row = {
            "action": np.arange(N) + t, "log_prob": np.full(N, -0.5, np.float32), "reward": np.full(N, t, np.float64),
            "next_observation": np.full((N, 2), t + 1.0), "terminated": np.arange(N) == 0,
            "truncated": np.arange(N) == 1, "valid": np.full(N, t != 2),
        }  # fmt: skip
        rollout.record(**{**row, **{k: v(t) for k, v in changes.items()}})
    return rollout


def test_columns_are_laid_out_environment_first():
    columns = filled().columns()
    assert {k: (tuple(v.shape), v.dtype) for k, v in columns.items()} == {
        "s": ((N, T, 2), torch.float32), "a": ((N, T), torch.int64), "a_log_prob": ((N, T), torch.float32),
        "r": ((N, T), torch.float32), "s_next": ((N, T, 2), torch.float32), "terminated": ((N, T), torch.bool),
        "ended": ((N, T), torch.bool), "valid": ((N, T), torch.bool),
    }  # fmt: skip
    assert columns["s"][:, :, 0].tolist() == [[10 * i + t for t in range(T)] for i in range(N)]
    assert columns["a"].tolist() == [[i + t for t in range(T)] for i in range(N)]
    assert columns["terminated"][:, 0].tolist() == [True, False, False]
    assert columns["ended"][:, 0].tolist() == [True, True, False]
    assert columns["valid"][0].tolist() == [True, True, False, True]
    assert not any(v.requires_grad or v.is_inference() for v in columns.values())


def test_storage_is_kept_and_written_over():
    rollout = filled()
    before = rollout.columns()
    assert rollout.full
    rollout.clear()
    rollout.observe(np.full((N, 2), 7.0))
    assert rollout.columns()["s"].data_ptr() == before["s"].data_ptr()
    assert before["s"][:, 0].eq(7).all() and not rollout.full


def test_images_stay_bytes_and_reals_become_float32():
    rollout = Rollout(1, 2, (4, 4, 3), (2,), discrete=False, observation_dtype="uint8")
    assert rollout.columns()["s"].dtype is torch.uint8 and rollout.columns()["a"].shape == (1, 2, 2)
    assert Rollout(1, 2, (3,), (), True, "float64").columns()["s"].dtype is torch.float32


def test_dicts_are_columns_of_their_own():
    shape, types = {"arm": {"angles": (2,)}, "eye": (4, 4)}, {"arm": {"angles": "float64"}, "eye": "uint8"}
    rollout = Rollout(N, 2, shape, (), True, types)
    buffer = {"arm": {"angles": np.ones((N, 2))}, "eye": np.full((N, 4, 4), 7, np.uint8)}
    for t in range(2):
        seen = rollout.observe(buffer)
        assert seen["arm"]["angles"].dtype is torch.float32 and seen["eye"].dtype is torch.uint8
        buffer["arm"]["angles"][:] = 5 + t  # environments write over what they gave
        flags = np.zeros(N, bool)
        rollout.record(np.zeros(N), np.zeros(N), np.zeros(N), buffer, flags, flags, ~flags)
    columns = rollout.columns()
    assert columns["s"]["arm"]["angles"][0].tolist() == [[1, 1], [5, 5]]
    assert columns["s_next"]["arm"]["angles"][0].tolist() == [[5, 5], [6, 6]]
    assert columns["s_next"]["eye"].shape == (N, 2, 4, 4)
    rollout.clear()
    rollout.observe({"arm": {"angles": np.full((N, 2), np.nan)}, "eye": buffer["eye"]})
    with pytest.raises(
        NonFiniteError, match=r"the observation's 'arm\.angles' is nan in environment 0 at the reset before step 0"
    ):
        rollout.check_finite()


BAD = {
    "reward": (lambda t: np.array([0, np.nan if t == 2 else 0, 0]), "the reward is nan in environment 1 at step 2"),
    "next_observation": (
        lambda t: np.where(np.arange(N)[:, None] == 2, np.inf if t == 1 else 0.0, np.zeros((N, 2))),
        "the observation is inf in environment 2 at step 1",
    ),
    "log_prob": (lambda t: np.array([np.nan, 0, 0]), "log-probability of the action is nan in environment 0 at step 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_finite_is_named_by_environment_and_step(name):
    change, message = BAD[name]
    with pytest.raises(NonFiniteError, match=message):
        filled(**{name: change}).check_finite()
    filled().check_finite()

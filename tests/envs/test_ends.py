"""Ends of episodes are the same under every autoreset mode: true last observations, and no bogus step."""

from itertools import pairwise

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from probrl.envs import make
from tests.envs.known import Clock

MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]


def played(mode, steps=12, num_envs=2):
    """Every step of two clocks that end at different times, as rows (environment, transition)."""
    vector = SyncVectorEnv([lambda: Clock((3, 2)), lambda: Clock((1, 4))][:num_envs], autoreset_mode=mode)
    environments = make(vector)
    seen, rows = np.array(environments.reset(seed=0)), [[] for _ in range(num_envs)]
    for _ in range(steps):
        t = environments.step(np.zeros(num_envs, np.int64))
        after = np.array(t.next_observation)
        for i in range(num_envs):
            row = (tuple(seen[i]), float(t.reward[i]), tuple(after[i]), bool(t.terminated[i]), bool(t.truncated[i]))
            rows[i].append((row, bool(t.valid[i])))
        seen = np.array(t.observation)
    return rows, environments


@pytest.mark.parametrize("mode", MODES)
def test_valid_rows_are_the_steps_that_were_taken(mode):
    rows, _ = played(mode)
    for i, lengths in enumerate([(3, 2), (1, 4)]):
        expected = []
        for episode in range(20):
            length, odd = lengths[episode % 2], episode % 2 == 1
            for t in range(length):
                over = t + 1 == length
                expected.append(
                    ((episode, t), 10.0 * episode + t + 1, (episode, t + 1), over and not odd, over and odd)
                )
        got = [row for row, valid in rows[i] if valid]
        assert got == expected[: len(got)] and len(got) >= 7


def test_the_row_that_is_no_step_holds_the_last_observation():
    rows, _ = played(AutoresetMode.NEXT_STEP)
    for env in rows:
        for (before, _), (row, valid) in pairwise(env):
            assert valid != (before[3] or before[4])
            if not valid:
                seen, reward, _, terminated, truncated = row
                assert seen == before[2] and reward == 0.0 and not terminated and not truncated


@pytest.mark.parametrize("mode", MODES[1:])
def test_other_modes_waste_no_step(mode):
    rows, _ = played(mode)
    assert all(valid for env in rows for _, valid in env)


@pytest.mark.parametrize("mode", MODES)
def test_returns_and_lengths_of_episodes(mode):
    _, environments = played(mode, num_envs=1)
    log = environments.episodes
    expected = {0: (1 + 2 + 3, 3), 1: (11 + 12, 2), 2: (21 + 22 + 23, 3)}
    assert log.finished == len(log.returns) >= 3
    for k, (value, length) in expected.items():
        assert (log.returns[k], log.lengths[k]) == (value, length)


def test_native_and_sequential_cartpole_agree_on_ends():
    """A constant action topples the pole: the last step has reward 1 and shows the fallen pole."""
    for environments in (make("CartPole-v1", 2), make(lambda: __import__("gymnasium").make("CartPole-v1"), 2)):
        environments.reset(seed=0)
        for _ in range(12):
            t = environments.step(np.zeros(2, np.int64))
            for i in np.flatnonzero(t.terminated):
                assert abs(t.next_observation[i][2]) > 0.2094 and t.reward[i] == 1.0 and t.valid[i]
        assert environments.episodes.finished >= 2

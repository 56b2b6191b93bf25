"""Ends of episodes are the same under every autoreset mode: true last observations, and no bogus step."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorWrapper

from probrl import PPO
from probrl.envs import make
from probrl.errors import EnvironmentError
from probrl.training import OnPolicyTrainer
from tests.envs.kept import Seeing
from tests.envs.known import Clock, Endless

MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]
LENGTHS = [(3, 2), (1, 4)]


class OldName(VectorWrapper):
    """Says 'final_observation', as gymnasium did before 1.0."""

    def step(self, actions):
        *rest, info = self.env.step(actions)
        return *rest, {k.replace("final_obs", "final_observation"): v for k, v in info.items()}


class Stacked(VectorWrapper):
    """Gives final observations as one array with a row for every environment."""

    def step(self, actions):
        observation, *rest, info = self.env.step(actions)
        if "final_obs" in info:
            rows = [here if last is None else last for here, last in zip(observation, info["final_obs"], strict=True)]
            info = {**info, "final_obs": np.stack(rows)}
        return observation, *rest, info


class Silent(VectorWrapper):
    """Does not give final observations at all."""

    def step(self, actions):
        return *self.env.step(actions)[:4], {}


def clocks(mode, kind=SyncVectorEnv, wrap=None, num_envs=2):
    """Two clocks that end at different times."""
    vector = kind([lambda: Clock((3, 2)), lambda: Clock((1, 4))][:num_envs], autoreset_mode=mode)
    return vector if wrap is None else wrap(vector)


SAME = AutoresetMode.SAME_STEP
WAYS = {
    **{f"in turn, {mode.value}": (lambda mode=mode: clocks(mode)) for mode in MODES},
    **{f"processes, {mode.value}": (lambda mode=mode: clocks(mode, AsyncVectorEnv)) for mode in MODES[:2]},
    "old name": lambda: clocks(SAME, wrap=OldName),
    "stacked": lambda: clocks(SAME, wrap=Stacked),
}


def truth(env, steps):
    """The first steps of a clock: (s, r, s_next, terminated, truncated)."""
    rows: list = []
    for episode in range(steps):
        length, odd = LENGTHS[env][episode % 2], episode % 2 == 1
        for t in range(length):
            over = t + 1 == length
            rows.append(((episode, t), 10.0 * episode + t + 1, (episode, t + 1), over and not odd, over and odd))
    return rows[:steps]


def played(mode, steps=12, num_envs=2):
    """Every step of two clocks that end at different times, as rows (environment, transition)."""
    environments = make(clocks(mode, num_envs=num_envs))
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
    for i in range(2):
        got = [row for row, valid in rows[i] if valid]
        assert got == truth(i, len(got)) and len(got) >= 7


def advantages(rows, v, gamma, lam):
    """GAE of steps in a row, by episodes, from the definition."""
    found = [0.0] * len(rows)
    following = 0.0
    for t in reversed(range(len(rows))):
        s, r, s_next, terminated, truncated = rows[t]
        delta = r + (0.0 if terminated else gamma * v(s_next)) - v(s)
        following = found[t] = delta + (0.0 if terminated or truncated else gamma * lam * following)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_what_is_learned_from_are_the_true_steps(way):
    """Columns and targets of a rollout, in every way that copies step: cut episodes bootstrap from what they led to."""
    vector = WAYS[way]()
    agent = PPO(vector, num_steps=13, num_minibatches=1, gamma=0.9, gae_lambda=0.7, progress=False)
    columns = OnPolicyTrainer(None, agent).collector.collect().columns()
    with torch.no_grad():
        target = agent.program.steps[0].columns["A"](columns)
    vector.close()

    def v(seen):
        with torch.no_grad():
            return float(agent.critic.net(torch.tensor([seen], dtype=torch.float32)).squeeze())

    for i in range(2):
        counts = columns["valid"][i]
        rows = truth(i, int(counts.sum()))
        cut = columns["ended"] & ~columns["terminated"]
        assert [tuple(x) for x in columns["s"][i][counts].tolist()] == [row[0] for row in rows]
        assert columns["r"][i][counts].tolist() == [row[1] for row in rows]
        assert [tuple(x) for x in columns["s_next"][i][counts].tolist()] == [row[2] for row in rows]
        assert columns["terminated"][i][counts].tolist() == [row[3] for row in rows]
        assert cut[i][counts].tolist() == [row[4] for row in rows] and len(rows) >= 8
        assert target[i][counts].tolist() == pytest.approx(advantages(rows, v, 0.9, 0.7), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_a_cut_is_no_end_in_every_mode(mode):
    """The clock is not seen, so there is one state, worth v = 1 + gamma v, although every second step is cut."""
    vector = SyncVectorEnv([lambda: Endless(2)] * 8, autoreset_mode=mode)
    how = {"num_steps": 16, "num_minibatches": 2, "update_epochs": 6, "learning_rate": 3e-3, "gamma": 0.5}
    agent = PPO(vector, seed=1, gae_lambda=0.0, anneal_lr=False, progress=False, **how).learn(4_000)
    with torch.no_grad():
        assert float(agent.critic.net(torch.zeros(1, 1)).squeeze()) == pytest.approx(2.0, abs=0.1)


def test_final_observations_that_are_not_given_are_missed():
    environments = make(clocks(SAME, wrap=Silent))
    environments.reset(seed=0)
    with pytest.raises(EnvironmentError, match="resets in the same step but gives no 'final_obs' in its infos"):
        environments.step(np.zeros(2, np.int64))


@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
@pytest.mark.parametrize("mode", MODES[:2])
def test_dicts_end_as_arrays_do(mode, kind):
    environments = make(kind([Seeing] * 2, autoreset_mode=mode))
    environments.reset(seed=0)
    for _ in range(10):
        t = environments.step(np.zeros(2, np.int64))
        ended = t.terminated | t.truncated
        assert (t.next_observation["count"][ended, 1] == 4).all() and (t.next_observation["picture"][ended] == 4).all()
        if mode is SAME and ended.any():
            assert (t.observation["count"][:, 1] == 0).all() and (t.observation["picture"] == 0).all()
    assert environments.episodes.finished >= 4
    environments.close()


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

"""Normalisation: a naive loop over rows says the same, nothing changes during a rollout, and it is printed as it runs."""

import math

import numpy as np
import pytest
import torch

import probrl as pr
from probrl.envs import Choices, Entries, Observation
from probrl.errors import DataError
from probrl.training import OnPolicyTrainer, moments
from probrl.training.moments import Moments
from probrl.training.normalization import Normalization
from tests.envs.known import Clock
from tests.envs.seen import Asked, Several

SMALL = {"num_envs": 3, "num_steps": 16, "num_minibatches": 2, "update_epochs": 2, "progress": False}


class Options:
    norm_obs, norm_reward, gamma = True, True, 0.9


class Naive:
    """Row by row in plain Python: every row that was a step, in any order."""

    def __init__(self, gamma):
        self.gamma, self.rows, self.returns, self.under_way = gamma, [], [], {}

    def seen(self, o):
        """One number at a time, by all rows before this rollout."""
        if not self.rows:
            return np.clip(o, -10, 10)
        return np.array([[self.one(x, np.array(self.rows)[:, k]) for k, x in enumerate(row)] for row in o])

    def one(self, x, column):
        mean = sum(column) / len(column)
        variance = sum((c - mean) ** 2 for c in column) / len(column)
        return min(max((x - mean) / math.sqrt(variance + 1e-8), -10.0), 10.0)

    def take(self, o, r, ended, valid):
        """A rollout: its rows by environment, then by time."""
        for env in range(len(r)):
            total = self.under_way.get(env, 0.0)
            for t in range(len(r[0])):
                if valid[env][t]:
                    self.rows.append(o[env][t])
                    total = r[env][t] + self.gamma * total
                    self.returns.append(total)
                if ended[env][t] or not valid[env][t]:
                    total = 0.0
            self.under_way[env] = total

    def earned(self, r):
        mean = sum(self.returns) / len(self.returns)
        variance = sum((g - mean) ** 2 for g in self.returns) / len(self.returns)
        return min(max(r / math.sqrt(variance + 1e-8), -10.0), 10.0)


def rollout(generator, rows=3, steps=7, size=2):
    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    ended = torch.rand(rows, steps, generator=generator) < 0.2
    # the step after an end is none, as where environments reset in a step of its own
    valid = ~torch.nn.functional.pad(ended, (1, 0))[:, :-1]
    return {
        "s": 50 + 7 * normal(rows, steps, size),
        "s_next": 50 + 7 * normal(rows, steps, size),
        "r": torch.where(valid, 3 + 100 * normal(rows, steps), 0.0),
        "ended": ended & valid,
        "valid": valid,
        "a": normal(rows, steps),
    }


def test_it_is_what_a_loop_over_rows_gives():
    generator, naive = torch.Generator().manual_seed(0), Naive(0.9)
    normalization = Normalization(Options, Observation((2,)))
    for _ in range(4):
        columns = rollout(generator)
        found = normalization.rollout(columns)
        for name in ("s", "s_next"):
            expected = [naive.seen(rows) for rows in columns[name].tolist()]
            np.testing.assert_allclose(found[name].numpy(), expected, rtol=1e-4, atol=1e-4)
        naive.take(*(columns[name].tolist() for name in ("s", "r", "ended", "valid")))
        expected = [[naive.earned(r) for r in row] for row in columns["r"].tolist()]
        np.testing.assert_allclose(found["r"].numpy(), expected, rtol=1e-4, atol=1e-5)
        assert found["r"].dtype is torch.float32 and found["a"] is columns["a"]


def test_moments_are_those_of_all_rows_whatever_the_parts():
    rows = 1e6 + torch.randn(100, 3, dtype=torch.float64)
    whole, parts = Moments((3,)), Moments((3,))
    whole.merge(rows)
    for part in rows.split([1, 40, 0, 9, 50]):
        parts.merge(part)
    torch.testing.assert_close(parts.mean, whole.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(parts.variance, whole.variance, rtol=1e-8, atol=0)
    torch.testing.assert_close(whole.variance, rows.var(0, correction=0), rtol=1e-8, atol=0)
    assert parts.count == 100 and parts.mean.dtype is torch.float64


def test_what_never_varies_becomes_zero():
    normalization = Normalization(Options, Observation((1,)))
    columns = rollout(torch.Generator().manual_seed(1), size=1)
    columns["s"] = torch.full_like(columns["s"], 3.0)
    normalization.rollout(columns)
    assert normalization.observe(torch.tensor([[3.0]])).tolist() == [[0.0]]


def test_nothing_moves_during_a_rollout_and_rows_that_are_no_steps_do_not_count():
    agent = pr.PPO("CartPole-v1", norm_obs=True, norm_reward=True, **SMALL).learn(48)
    before = agent.normalization.state()["observation"][""]
    columns = {k: v.clone() for k, v in OnPolicyTrainer(None, agent).collector.collect().columns().items()}
    agent.predict(np.zeros(4))
    agent.evaluate(2)
    after = agent.normalization.state()["observation"][""]
    assert all(torch.equal(torch.as_tensor(before[k]), torch.as_tensor(after[k])) for k in before)
    agent.normalization.rollout(columns)
    assert agent.normalization.state()["observation"][""]["count"] == before["count"] + int(columns["valid"].sum())


def test_the_policy_acts_on_what_the_program_reads():
    agent = pr.PPO("CartPole-v1", norm_obs=True, **SMALL).learn(48)
    raw = OnPolicyTrainer(None, agent).collector.collect().columns()
    columns = agent.normalization.rollout(raw)
    assert not torch.equal(raw["s"], columns["s"])
    flat = {name: columns[name].flatten(0, 1) for name in ("s", "a")}
    torch.testing.assert_close(agent.actor.log_prob(flat), columns["a_log_prob"].flatten(), atol=1e-5, rtol=1e-5)


def standing(rows, enough):
    """What stands at every step of rows (N, T, n), if all rows up to it are counted and are enough."""
    seen = [rows[:, : t + 1].reshape(-1, rows.shape[-1]) for t in range(rows.shape[1])]
    means = np.stack([o.mean(0) if len(o) > enough else np.zeros(o.shape[1]) for o in seen])
    widths = np.stack([np.sqrt(o.var(0) + 1e-8) if len(o) > enough else np.ones(o.shape[1]) for o in seen])
    return lambda o: np.clip((o - means) / widths, -10, 10)


@pytest.mark.parametrize("hidden", [(8,), (600, 600)], ids=["in numpy", "in torch"])
def test_in_the_first_rollout_moments_follow_the_steps(hidden, monkeypatch):
    monkeypatch.setattr(moments, "ENOUGH", 12)
    agent = pr.PPO("CartPole-v1", norm_obs=True, hidden=hidden, **SMALL)
    collector, normalization = OnPolicyTrainer(None, agent).collector, agent.normalization
    with normalization.watching():
        raw = {k: v.clone() for k, v in collector.collect().columns().items()}
    agent.predict(np.full(4, 1e3))  # not of the rollout: nothing follows it
    columns = normalization.rollout(raw)
    by_then = standing(raw["s"].double().numpy(), 12)
    for name in ("s", "s_next"):
        np.testing.assert_allclose(columns[name].numpy(), by_then(raw[name].double().numpy()), rtol=1e-3, atol=1e-3)
    flat = {name: columns[name].flatten(0, 1) for name in ("s", "a")}
    torch.testing.assert_close(agent.actor.log_prob(flat), columns["a_log_prob"].flatten(), atol=1e-5, rtol=1e-5)
    kept = normalization.state()["observation"][""]
    executed = raw["s"][raw["valid"]].double()
    torch.testing.assert_close(kept["mean"], executed.mean(0))
    assert kept["count"] == len(executed)
    with normalization.watching():
        raw = collector.collect().columns()
    frozen = torch.clamp((raw["s"] - kept["mean"]) / (kept["variance"] + 1e-8).sqrt(), -10, 10).float()
    torch.testing.assert_close(normalization.rollout(raw)["s"], frozen, rtol=1e-4, atol=1e-5)


def test_a_first_rollout_that_breaks_is_forgotten():
    agent = pr.PPO("CartPole-v1", norm_obs=True, **SMALL)
    collector, normalization = OnPolicyTrainer(None, agent).collector, agent.normalization
    with pytest.raises(ZeroDivisionError), normalization.watching():
        collector.collect()
        raise ZeroDivisionError
    assert normalization.state()["observation"][""]["count"] == 0
    assert normalization.observe(torch.tensor([[3.0, 0, 0, 0]])).tolist() == [[3.0, 0, 0, 0]]


def test_returns_are_reported_as_the_environment_pays_them():
    agent = pr.PPO(Clock, norm_reward=True, **SMALL).learn(96)
    plain = pr.PPO(Clock, **SMALL).learn(96)
    assert agent.evaluate(4).mean == plain.evaluate(4).mean
    assert agent.metrics.rows[-1]["episode_return"] == plain.metrics.rows[-1]["episode_return"]


def test_in_numpy_it_is_the_same():
    normalization = Normalization(Options, Observation((2,)))
    normalization.rollout(rollout(torch.Generator().manual_seed(2)))
    seen = 50 + 7 * torch.randn(5, 2)
    assert np.array_equal(normalization.observe.in_numpy()(seen.numpy()), normalization.observe(seen).numpy())


def test_of_a_dict_each_array_has_its_own():
    picture = Observation((36, 36), "uint8")
    inside = Entries((("far", Observation((1,))), ("picture", picture)))
    seen = Entries((("kind", Choices((2,), (0,))), ("inside", inside), ("counts", Observation((2,), "int64"))))
    normalization = Normalization(Options, seen)
    assert set(normalization.entries) == {"inside.far", "counts"}
    o = {
        "kind": torch.tensor([[0, 1]]),
        "inside": {"far": torch.tensor([[[10.0], [14.0]]]), "picture": torch.zeros(1, 2, 36, 36, dtype=torch.uint8)},
        "counts": torch.tensor([[[5, 100], [5, 300]]]),
    }
    flags = {"ended": torch.zeros(1, 2, dtype=torch.bool), "valid": torch.ones(1, 2, dtype=torch.bool)}
    normalization.rollout({"s": o, "s_next": o, "r": torch.ones(1, 2), **flags})
    found = normalization.observe(o)
    assert found["kind"] is o["kind"] and found["inside"]["picture"] is o["inside"]["picture"]
    torch.testing.assert_close(found["inside"]["far"], torch.tensor([[[-1.0], [1.0]]]))
    torch.testing.assert_close(found["counts"], torch.tensor([[[0.0, -1.0], [0.0, 1.0]]]))


def test_arrays_whose_names_look_alike_are_printed_apart():
    seen = Entries(tuple((name, Observation((1,))) for name in ("a_b", "a.b")))
    assert list(Normalization(Options, seen).equations())[:4] == ["s_a_b", "s_a_b_next", "s_a_b_2", "s_a_b_2_next"]


def test_it_goes_on_where_it_stopped():
    generator = torch.Generator().manual_seed(3)
    one, other = (Normalization(Options, Observation((2,))) for _ in range(2))
    one.rollout(rollout(generator))
    other.set_state(one.state())
    columns = rollout(generator)
    expected, found = one.rollout(dict(columns)), other.rollout(dict(columns))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    with pytest.raises(DataError, match="of other observations"):
        Normalization(Options, Entries((("a", Observation((2,))),))).set_state(one.state())
    with pytest.raises(DataError, match=r"shape \(2,\) do not fit \(3,\)"):
        Normalization(Options, Observation((3,))).set_state(one.state())


def test_without_it_nothing_is_touched():
    agent = pr.PPO(Asked, **SMALL)
    assert not agent.normalization.active and agent.normalization.observe is None
    assert agent.equations is agent.program and agent.digest == agent.program.digest
    columns = rollout(torch.Generator().manual_seed(0))
    assert all(agent.normalization.rollout(columns)[name] is columns[name] for name in columns)


def test_it_is_printed_as_it_runs():
    agent = pr.PPO("CartPole-v1", norm_obs=True, norm_reward=True, **SMALL)
    text = agent.text()
    assert text.startswith(
        "s_t ← clip((o_t - mean_o) / √(var_o + 1e-08), -10, 10)\ns'_t ← clip((o'_t - mean_o) / √(var_o"
    )
    assert "r_t ← clip(r_{env,t} / √(var_G + 1e-08), -10, 10)\n" in text
    assert "G_t ← r_{env,t} + γ (1 - prev_t(ended_t, 0)) G_{t-1}" in text
    others = [pr.PPO("CartPole-v1", **o, **SMALL) for o in ({}, {"norm_obs": True}, {"norm_reward": True})]
    assert len({a.digest for a in [agent, *others]}) == 4
    several = pr.PPO(Several, norm_obs=True, **SMALL).text()
    assert "s_{inside_noise,t} ← clip(" in several and "s_{inside_sign,t} ← clip(" in several
    # the formulas on the page, run as formulas, give the columns that were trained on
    normalization = Normalization(Options, Observation((2,)))
    generator = torch.Generator().manual_seed(4)
    normalization.rollout(rollout(generator))
    moments, columns = normalization.state()["observation"][""], rollout(generator)
    given = {"mean_o": moments["mean"].float(), "var_o": moments["variance"].float(), "valid": columns["valid"]}
    printed = normalization.equations()["s"]({"o": columns["s"], **given})
    trained_on, valid = normalization.rollout(columns)["s"], columns["valid"]
    torch.testing.assert_close(printed[valid], trained_on[valid], atol=1e-5, rtol=1e-5)

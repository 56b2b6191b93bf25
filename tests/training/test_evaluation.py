"""Statistics of returns: what they are of known numbers, and how sure they say that one may be."""

import numpy as np
import pytest

import probrl as pr
from probrl.training.evaluation import bootstrap_interval, interquartile_mean, pooled, summarise
from tests.envs.known import Clock


def test_the_interval_covers_the_mean_as_often_as_it_says():
    random, hits = np.random.default_rng(1), 0
    for _ in range(200):
        low, high = bootstrap_interval(random.normal(3.0, 2.0, size=40), samples=400)
        hits += low <= 3.0 <= high
    assert 175 <= hits <= 199  # 95 % less what percentile intervals of 40 values lack


def test_many_values_need_no_more_memory_and_give_the_same():
    values = np.random.default_rng(2).normal(size=200_000)
    low, high = bootstrap_interval(values, samples=40)
    width = 2 * 1.96 * values.std() / np.sqrt(values.size)
    assert low < values.mean() < high and high - low == pytest.approx(width, rel=0.5)


def test_a_stratified_interval_leaves_out_what_groups_differ_by():
    random = np.random.default_rng(3)
    groups = [random.normal(center, 1.0, size=20) for center in (0.0, 100.0, 200.0)]
    low, high = bootstrap_interval(*groups)
    wide = bootstrap_interval(np.concatenate(groups))
    assert high - low < 2 < 20 < wide[1] - wide[0] and low < np.mean(groups) < high


def test_evaluations_together():
    one, two = summarise([1.0, 3.0], [5, 5]), summarise([10.0, 12.0, 14.0], [7, 7, 7], deterministic=False)
    both = pooled([one, two])
    assert both.returns == (1.0, 3.0, 10.0, 12.0, 14.0) and both.lengths == (5, 5, 7, 7, 7)
    assert both.mean == 8.0 and not both.deterministic and pooled([one]) == one
    assert both.iqm == interquartile_mean(np.array(both.returns))


def test_every_copy_plays_its_share_however_short_its_episodes():
    made = iter(range(100))
    agent = pr.PPO(lambda: Clock((2, 2) if next(made) % 2 else (50, 50)), num_envs=2, num_steps=8)
    lengths = agent.evaluate(episodes=20).lengths
    assert sorted(lengths) == [2] * 10 + [50] * 10


def test_drawn_actions_differ_and_likeliest_ones_do_not():
    agent = pr.PPO("CartPole-v1")
    assert agent.evaluate(5, seed=3) == agent.evaluate(5, seed=3)
    assert (
        agent.evaluate(5, deterministic=False, seed=3).returns != agent.evaluate(5, deterministic=False, seed=3).returns
    )

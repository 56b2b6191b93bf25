"""Optimal couplings against all permutations, and what they leave in place."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from probrl.data.coupling import optimal_coupling
from probrl.data.entropic import entropic_coupling
from probrl.errors import DataError


def cost(x, y):
    return (x - y).square().sum()


@settings(deadline=None)
@given(st.integers(1, 6), st.sampled_from([(), (1,), (2,), (1, 2, 2)]), st.integers(0, 10_000))
def test_is_the_best_of_all_permutations(n, shape, seed):
    torch.manual_seed(seed)
    x, y = torch.randn(n, *shape, dtype=torch.float64), 3 + torch.randn(n, *shape, dtype=torch.float64)
    found = optimal_coupling(x, y)
    assert sorted(found.tolist()) == list(range(n))
    best = min(cost(x, y[list(p)]) for p in permutations(range(n)))
    torch.testing.assert_close(cost(x, y[found]), best)


def test_points_on_a_line_keep_their_order():
    x, y = torch.randn(300), torch.randn(300)
    assert torch.equal(y[optimal_coupling(x, y)].argsort(), x.argsort())


def test_a_hidden_permutation_is_found_whatever_the_offset_and_the_gradient():
    x = torch.randn(100, 3, requires_grad=True)
    shuffle = torch.randperm(100)
    far = optimal_coupling(x, (x.detach() + 100)[shuffle])
    assert torch.equal(shuffle[far], torch.arange(100)) and not far.requires_grad


def test_batches_that_do_not_pair_are_refused():
    with pytest.raises(DataError, match=r"one shape; got \(3, 2\) and \(4, 2\)"):
        optimal_coupling(torch.zeros(3, 2), torch.zeros(4, 2))
    with pytest.raises(DataError, match="one shape"):
        optimal_coupling(torch.tensor(0.0), torch.tensor(0.0))
    with pytest.raises(DataError, match="NaN"):
        optimal_coupling(torch.full((3, 2), float("nan")), torch.zeros(3, 2))


def test_within_groups_pairs_are_the_best_of_each_group_and_the_lonely_stay():
    torch.manual_seed(0)
    groups = torch.tensor([0, 1, 0, 1, 0, 7, 1])
    x, y = torch.randn(7, 2), torch.randn(7, 2)
    found = optimal_coupling(x, y, groups)
    assert torch.equal(groups[found], groups) and found[5] == 5 and sorted(found.tolist()) == list(range(7))
    for k in (0, 1):
        rows = (groups == k).nonzero()[:, 0]
        assert torch.equal(found[rows], rows[optimal_coupling(x[rows], y[rows])])
    drawn = entropic_coupling(x, y, torch.rand(7), 0.5, groups=groups)
    assert torch.equal(groups[drawn], groups) and drawn[5] == 5

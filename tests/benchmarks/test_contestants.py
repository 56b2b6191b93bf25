"""The contestants compute the same thing: after five updates they stand at the same weights."""

import copy

import pytest
import torch

from tests.benchmarks import ppo_update, sac_update
from tests.benchmarks.timing import Contestant, medians, table


def moved(build, nets, *arguments, calls=5, **options):
    nets = copy.deepcopy(nets)
    contestant = build(nets, *arguments, **options)
    torch.manual_seed(1)
    for _ in range(calls):
        contestant.call()
    return list(nets.parameters())


@pytest.mark.parametrize("build", [ppo_update.pixyz_way, ppo_update.hand_written_graph])
def test_ppo_contestants_agree(build):
    nets, batch = ppo_update.networks(), ppo_update.batch_of(32)
    options = {"backend": "aot_eager"} if build is ppo_update.hand_written_graph else {}
    expected = moved(ppo_update.hand_written_eager, nets, batch)
    assert (expected[0] != next(nets.parameters())).all()
    torch.testing.assert_close(moved(build, nets, batch, **options), expected, atol=2e-6, rtol=1e-5)


def test_sac_contestants_agree():
    nets, batch = sac_update.networks(), sac_update.batch_of(16)
    expected = moved(sac_update.hand_written_eager, nets, batch)
    found = moved(sac_update.hand_written_graph, nets, batch, backend="aot_eager")
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)


def test_medians_divide_by_the_updates_of_a_call():
    field = {"one": Contestant(lambda: sum(range(20_000))), "four": Contestant(lambda: sum(range(20_000)), updates=4)}
    found = medians(field, rounds=5, seconds=1e-3)
    assert 2 < found["one"] / found["four"] < 8
    assert "four" in table("title", found, "one")

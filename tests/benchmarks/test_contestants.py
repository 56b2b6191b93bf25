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


CONTESTANTS = {
    "graph": (ppo_update.hand_written_graph, {"backend": "aot_eager"}),
    "pixyz": (ppo_update.pixyz_way, {}),
    "probrl": (ppo_update.probrl_way, {"backend": "eager"}),
}


@pytest.mark.parametrize("name", CONTESTANTS)
def test_ppo_contestants_agree(name):
    nets, batch = ppo_update.networks(), ppo_update.batch_of(32)
    build, options = CONTESTANTS[name]
    expected = moved(ppo_update.hand_written_eager, nets, batch)
    assert (expected[0] != next(nets.parameters())).all()
    torch.testing.assert_close(moved(build, nets, batch, **options), expected, atol=2e-6, rtol=1e-5)


def test_sac_contestants_agree():
    nets, batch = sac_update.networks(), sac_update.batch_of(16)
    expected = moved(sac_update.hand_written_eager, nets, batch)
    found = moved(sac_update.hand_written_graph, nets, batch, backend="aot_eager")
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)


def test_medians_divide_by_the_updates_of_a_call():
    now = 0.0

    def wait(seconds):
        nonlocal now
        now += seconds

    field = {"slow": Contestant(lambda: wait(0.004)), "unrolled": Contestant(lambda: wait(0.004), updates=4)}
    found = medians(field, rounds=5, clock=lambda: now)
    assert found == pytest.approx({"slow": 0.004, "unrolled": 0.001})
    assert table("title", found, "slow").splitlines()[-1].split() == ["unrolled", "1000", "4.00"]

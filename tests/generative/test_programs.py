"""The programs of generative policies build, print, check and run, eagerly and traced alike."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

import probrl as pr
from tests.generative.declared import PROGRAMS, diffusion_ql
from tests.programs.running import agree, distance, run, tensors


@pytest.fixture(params=PROGRAMS, ids=str)
def make(request):
    return PROGRAMS[request.param]


def test_prints(make, foreign_commands):
    torch.manual_seed(0)
    program = make().program
    assert "minimize over" in program.text()
    assert foreign_commands(program.latex()) == []
    assert program.gradients() and program.digest
    compile(program.code, "code", "exec")


def test_prints_for_katex(make, katex_errors):
    torch.manual_seed(0)
    assert katex_errors([make().program.latex()]) == []


def test_is_what_it_prints(make):
    torch.manual_seed(0)
    declared = make()
    declared.program.check(declared.batch)


def test_moves_what_it_says_and_nothing_else(make):
    torch.manual_seed(0)
    declared = make()
    before = tensors(declared.modules)
    update = declared.program.compile(backend="eager", seed=7)
    seen = [update(declared.batch) for _ in range(3)]
    after = tensors(declared.modules)
    assert all(float(m["finite"]) == 1 for m in seen)
    assert any(not torch.equal(before[k], after[k]) for k in before)
    for name in declared.modules:
        assert any(not torch.equal(before[k], after[k]) for k in before if k.startswith(f"{name}."))


def test_eager_equals_traced(make):
    agree(make, updates=2, tolerance=3e-6)


def test_same_seed_same_run(make):
    one, metrics, _ = run(make, "eager", 2)
    two, again, _ = run(make, "eager", 2)
    assert distance(tensors(one.modules), tensors(two.modules)) == 0
    for a, b in zip(metrics, again, strict=True):
        assert all(torch.equal(a[k], b[k]) for k in a)


def test_diffusion_ql_calls_each_network_as_often_as_it_must():
    """The policy once per step of each of its chains and once in its error; the critics at (s', a'), (s, a), (s, a_new)."""
    steps = 3
    torch.manual_seed(0)
    declared = diffusion_ql(steps)
    update = declared.program.compile(backend="eager", seed=7)
    update(declared.batch)
    counts: Counter = Counter()
    for name, module in declared.modules.items():
        module.net.register_forward_hook(lambda *_, name=name: counts.update([name]))
    update(declared.batch)
    assert counts == {"Q": 3, "pi": steps + steps + 1}


def test_the_ratio_of_the_chain_starts_at_one():
    torch.manual_seed(0)
    declared = PROGRAMS["dppo"]()
    ratio = declared.names["ratio"](declared.batch)
    assert bool((ratio == 1).all())


def test_acting_rules_choose_among_candidates():
    torch.manual_seed(0)
    declared = diffusion_ql(candidates=5)
    act = declared.names["act"]({"s": torch.randn(7, 3)})
    assert act.shape == (7, 2)


@pytest.mark.parametrize("family", [pr.Diffusion, pr.Flow])
def test_preferences_move_errors_apart(family):
    """Diffusion-DPO: one time and one noise for both values and for the model and its reference."""
    from probrl.networks import TimeMLP

    torch.manual_seed(0)
    mu = family("x | c", TimeMLP(2, condition=3, hidden=(16,)), name=r"\mu")
    c, better, worse = pr.symbols("c better worse")
    t, e = pr.Uniform(1e-3, 1).draw(per=better), pr.noise(like=better)
    errors = [m(c).matching(v, t=t, noise=e) for v in (better, worse) for m in (mu, mu.reference)]
    loss = pr.mean(pr.preference(*errors, 2.0))
    batch = {"c": torch.randn(16, 3), "better": torch.randn(16, 2), "worse": torch.randn(16, 2) + 2}
    loss.check(batch)
    assert float(loss(batch).detach()) == pytest.approx(0.6931, abs=1e-4)
    update = pr.Minimize(loss, wrt=mu, optimizer=pr.Adam(3e-3)).compile(backend="eager", seed=0)
    losses = [float(update(batch)["loss"]) for _ in range(40)]
    assert sum(losses[-5:]) / 5 < 0.55

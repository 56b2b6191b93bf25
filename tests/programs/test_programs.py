"""The programs that fixed the language build, print, check and run, eagerly and traced alike."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

import probrl as pr
from probrl.errors import ExpressionError
from tests.programs.declared import PROGRAMS, Declared, rollout, soft_actor_critic
from tests.programs.running import agree, distance, run, single, tensors


def shipped_ppo() -> Declared:
    """The algorithm of the package, with its default hyper-parameters but smaller."""
    from types import SimpleNamespace

    from probrl.algorithms.ppo import PPO

    spaces = SimpleNamespace(observation=SimpleNamespace(size=4), action=SimpleNamespace(n=2))
    declared = PPO(
        num_envs=5, num_steps=8, num_minibatches=2, update_epochs=3, hidden=(8,), clip_vloss=True, target_kl=0.5
    ).declare(spaces)
    return single(declared.program, rollout(), pi=declared.actor, V=declared.critic)


ALL = {**PROGRAMS, "shipped_ppo": shipped_ppo}


@pytest.fixture(params=ALL, ids=str)
def make(request):
    return ALL[request.param]


def test_prints(make, katex_errors, foreign_commands):
    torch.manual_seed(0)
    program = make().program
    text, latex = program.text(), program.latex()
    assert "minimize over" in text and text == str(program)
    assert katex_errors([latex]) == []
    assert foreign_commands(latex) == []


def test_names_a_gradient_table_and_a_digest(make):
    torch.manual_seed(0)
    program = make().program
    assert program.gradients()
    assert program.digest == make().program.digest  # other networks, the same program
    compile(program.code, "code", "exec")


def test_is_what_it_prints(make):
    torch.manual_seed(0)
    declared = make()
    declared.program.check(declared.batch)


def test_moves_what_it_says_and_nothing_else(make):
    torch.manual_seed(0)
    declared = make()
    before = tensors(declared.modules)
    update = declared.program.compile(backend="eager", seed=7)
    seen = [update(declared.batch) for _ in range(4)]
    after = tensors(declared.modules)
    assert all(float(m["finite"]) == 1 for m in seen)
    assert all(not torch.equal(before[k], after[k]) for k in before if after[k].is_floating_point())
    losses = [k for k in seen[0] if k.startswith("loss")]
    assert losses and all(float(seen[0][k]) != float(seen[-1][k]) for k in losses)


def test_eager_equals_traced(make):
    agree(make)


@pytest.mark.parametrize("name", ["own_loss", "soft_actor_critic"])
def test_eager_equals_traced_after_twenty_updates(name):
    """Draws included: noise is an input."""
    agree(PROGRAMS[name], updates=20)


@pytest.mark.inductor
@pytest.mark.filterwarnings(
    "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"
)  # torch's own, on import
@pytest.mark.parametrize("name", ["own_loss", "soft_actor_critic"])
def test_eager_equals_inductor_after_twenty_updates(name):
    one, _, _ = run(PROGRAMS[name], "eager", 20)
    two, _, update = run(PROGRAMS[name], "inductor", 20)
    assert update.backend == "inductor"
    assert distance(tensors(one.modules), tensors(two.modules)) <= 1e-6


def test_same_seed_same_run(make):
    one, metrics, _ = run(make, "eager", 3)
    two, again, _ = run(make, "eager", 3)
    assert distance(tensors(one.modules), tensors(two.modules)) == 0
    for a, b in zip(metrics, again, strict=True):
        assert all(torch.equal(a[k], b[k]) for k in a)


def calls(declared: Declared) -> Counter:
    """How often each network runs in one update, once everything is warm."""
    update = declared.program.compile(backend="eager", seed=7)
    update(declared.batch)
    counts: Counter = Counter()
    for name, module in declared.modules.items():
        module.net.register_forward_hook(lambda *_, name=name: counts.update([name]))
    update(declared.batch)
    return counts


def test_ppo_calls_each_network_once_per_update():
    declared = PROGRAMS["own_loss"]()
    assert calls(declared) == {"pi": 1, "V": 1}
    declared = shipped_ppo()
    before = [step for step in declared.program.steps if isinstance(step, pr.Prepare)]
    assert before
    assert calls(declared) == {"pi": 6, "V": 2 + 6}  # 3 epochs of 2 minibatches; V(s) and V(s') once before them


def test_sac_calls_each_network_once_per_input_and_parameters():
    # critics: the target at (s', a'), the live ones at (s, a) and at (s, a_new);
    # the policy: at s', at s, and at s again after it has moved
    assert calls(soft_actor_critic()) == {"Q": 3, "pi": 3}


def test_sac_calls_the_policy_twice_when_its_losses_share_parameters():
    declared = soft_actor_critic()
    critic, actor, temperature, follow = declared.program.steps
    declared.program = pr.Program(critic, pr.Together(actor, temperature), follow)
    assert calls(declared) == {"Q": 3, "pi": 2}


def test_a_recursion_calls_its_networks_once_per_index():
    declared = PROGRAMS["world_model"]()
    assert calls(declared) == {"encoder": 1, "core": 5, "q": 6, "p": 1, "decoder": 1, "reward": 1}


def test_target_moves_by_its_share():
    torch.manual_seed(0)
    declared = soft_actor_critic()
    Q = declared.modules["Q"]
    update = declared.program.compile(backend="eager", seed=7)
    net = Q.handle
    before = tensors({"Q": Q.net})
    update(declared.batch)
    live = tensors({"Q": Q.net})
    for name, copy in net.copies["target"].items():
        expected = before[f"Q.{name}"] + 0.005 * (live[f"Q.{name}"] - before[f"Q.{name}"])
        torch.testing.assert_close(copy, expected, rtol=0, atol=1e-7)


def test_the_world_model_holds_one_draw_per_index():
    """A class drawn at an index is the one that the next state sees: the posterior's divergence is of that draw."""
    torch.manual_seed(0)
    declared = PROGRAMS["world_model"]()
    z = declared.names["z"](declared.batch, generator=torch.Generator().manual_seed(1))
    valid = declared.batch["valid"]
    rows = z[valid]
    assert rows.shape[-1] == 4
    torch.testing.assert_close(rows.sum(-1), torch.ones(len(rows)))
    assert bool(((rows - rows.round()).abs() < 1e-6).all())  # one-hot in value, whatever its gradient
    again = declared.names["z"](declared.batch, generator=torch.Generator().manual_seed(1))
    assert torch.equal(z, again)


def test_priorities_come_back_per_row():
    torch.manual_seed(0)
    declared = PROGRAMS["double_dqn"]()
    metrics = declared.program.compile(backend="eager", seed=7)(declared.batch)
    assert metrics["priority"].shape == (12,)
    torch.testing.assert_close(metrics["priority"].mean() >= 0, torch.tensor(True))


def test_many_programs_of_one_shape_do_not_share_what_is_compiled():
    """Ten programs alike in everything but the rate: each runs its own, and none falls back."""
    moved = []
    x, y = pr.symbols("x y")
    batch = {"x": torch.ones(4, 3), "y": torch.ones(4)}
    for i in range(10):
        torch.manual_seed(0)
        f = pr.Deterministic("f | x", pr.mlp(3, 1))
        before = tensors({"f": f})
        pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f, optimizer=pr.SGD(0.1 * i)).compile(backend="aot_eager")(batch)
        moved.append(distance(before, tensors({"f": f})))
    torch.testing.assert_close(torch.tensor(moved), torch.arange(10) * moved[1])


def test_an_unknown_backend_is_refused_at_once():
    declared = PROGRAMS["own_loss"]()
    for backend in ("cuda", "inductr", None):
        with pytest.raises(ExpressionError, match="'auto', 'inductor' or 'eager'"):
            declared.program.compile(backend=backend)


def test_a_number_is_a_condition_and_text_is_none():
    f = pr.Normal("y | x", pr.mlp(1, 2), rank=0, name="f")
    assert f(3.0).mean() is f(3.0).mean()
    with pytest.raises(ExpressionError, match="'x'"):
        f("x")

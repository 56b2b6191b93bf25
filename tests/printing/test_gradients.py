"""The table of gradients, against what autograd says."""

from __future__ import annotations

import torch

import probrl as pr

s, a, A, R, x = pr.symbols("s a A R x")
pi = pr.Categorical("a | s", pr.mlp(4, 8, 2), name=r"\pi_\theta")
V = pr.Deterministic("v | s", pr.mlp(4, 8, 1), name=r"V_\phi")
alpha = pr.parameter("alpha", 0.2, positive=True)


def table(loss, **options) -> dict[str, dict[str, str]]:
    found = loss.gradients(**options)
    return {term: dict(zip(found.columns, entries, strict=True)) for term, entries in found.rows}


def test_terms_by_parameter_sets():
    policy = (-pi(s).log_prob(a) * pr.stop_gradient(R - V(s))).named("policy")
    value = ((V(s) - R) ** 2).named("value")
    assert table(pr.mean(policy + 0.5 * value)) == {
        "policy": {"π_θ": "moves", "V_φ": "stopped"},
        "value": {"π_θ": "", "V_φ": "moves"},
    }


def test_roles_are_held_and_inputs_of_frozen_networks_are_reached():
    Q = pr.Deterministic("q | s, x", pr.mlp(5, 8, 1), name="Q")
    f = pr.Deterministic("x | s", pr.mlp(4, 8, 1), name="f")
    found = table(pr.mean(Q.frozen(s, f(s)) + Q.target(s, x)))
    assert found["Q^frozen(s, f(s))"] == {"f": "moves", "Q^frozen": "held", "Q̄": ""}
    assert found["Q̄(s, x)"] == {"f": "", "Q^frozen": "", "Q̄": "held"}


def test_what_is_not_in_wrt_is_said():
    loss = pr.mean(alpha * (V(s) - R) ** 2)
    (entries,) = table(loss, wrt=V).values()
    assert entries == {"α": "outside wrt", "V_φ": "moves"}
    (entries,) = table(loss, wrt=[alpha]).values()
    assert entries == {"α": "moves", "V_φ": "outside wrt"}
    (entries,) = table(loss, wrt=V.net).values()
    assert entries["V_φ"] == "moves"


def test_nothing_passes_through_what_is_not_differentiable():
    u = V(s)
    for term in (u < 0, pr.floor(u), pr.sign(u), pr.where(u < 0, 1.0, 2.0), pr.noise(like=u)):
        (entries,) = table(pr.mean(term)).values()
        assert entries == {"V_φ": "stopped"}


def test_the_table_prints():
    shown = str(pr.mean(((V(s) - R) ** 2).named("value") + alpha.named("weight")).gradients())
    assert shown.splitlines() == [
        "term    V_φ    α",
        "──────  ─────  ─────",
        "value   moves  -",
        "weight  -      moves",
    ]


def test_the_table_agrees_with_autograd():
    policy = (-pi(s).log_prob(a) * A - 0.1 * pi(s).entropy()).named("policy")
    loss = pr.mean(policy + pr.stop_gradient(V(s)) * A)
    batch = {"s": torch.randn(6, 4), "a": torch.randint(0, 2, (6,)), "A": torch.randn(6)}
    moved = {
        c
        for _, entries in loss.gradients().rows
        for c, e in zip(loss.gradients().columns, entries, strict=True)
        if e == "moves"
    }
    for net in (pi, V):
        net.zero_grad()
    loss(batch).backward()
    for net, name in ((pi, "π_θ"), (V, "V_φ")):
        arrived = any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in net.parameters())
        assert arrived == (name in moved)

"""Ensembles own stacked parameters, call all members at once, and compute what the members would alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import probrl as pr

s, a = pr.symbols("s a")


class Gated(nn.Module):
    """No plain sequence."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 8), nn.Linear(8, 1)
        self.register_buffer("shift", torch.randn(1))

    def forward(self, s, a):
        h = self.a(torch.cat([s, a], -1))
        return self.b(torch.tanh(h) * torch.sigmoid(h)) + self.shift


FACTORIES = {
    "mlp": lambda: pr.mlp(5, 8, 1),
    "sequence": lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1, bias=False)),
    "normed": lambda: nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.SiLU(), nn.Linear(8, 1)),
    "any module": Gated,
}


@pytest.fixture(params=FACTORIES)
def members(request):
    torch.manual_seed(0)
    return [FACTORIES[request.param]() for _ in range(3)]


@pytest.fixture
def batch():
    return {"s": torch.randn(6, 3), "a": torch.randn(6, 2)}


def alone(member, s, a):
    out = member(s, a) if isinstance(member, Gated) else member(torch.cat([s, a], -1))
    return out[..., 0]


def test_all_at_once_is_each_alone(members, batch):
    queue = iter(copy.deepcopy(members))
    Q = pr.ensemble(3, pr.Deterministic, "q | s, a", lambda: next(queue), name="Q")
    value = Q(s, pr.symbols("a", rank=1))
    assert value.type.names == ("i", "batch")
    expected = torch.stack([alone(m, batch["s"], batch["a"]) for m in members])
    torch.testing.assert_close(value(batch), expected)
    value(batch).square().sum().backward()
    expected.square().sum().backward()
    for name, own in Q.net.names.items():
        theirs = [dict(m.named_parameters()).get(name) for m in members]
        if theirs[0] is not None:
            torch.testing.assert_close(getattr(Q.net, own).grad, torch.stack([p.grad for p in theirs]))
    assert len(list(Q.parameters())) == len(list(members[0].parameters()))
    assert all(p.shape[0] == 3 for p in Q.parameters())


def test_members_are_views(members, batch):
    queue = iter(copy.deepcopy(members))
    Q = pr.ensemble(3, pr.Deterministic, "q | s, a", lambda: next(queue), name="Q")
    assert len(Q.net) == 3 and not list(Q.net[1].parameters())
    args = (batch["s"], batch["a"])
    torch.testing.assert_close(Q.net[1](*args)[..., 0], alone(members[1], *args))
    with torch.no_grad():
        for p in Q.parameters():
            p.zero_()
    if not isinstance(members[0], Gated):
        assert Q.net[1](*args).abs().max() == 0
    assert Q.net[0].tensors()[next(iter(Q.net.names))].data_ptr() == next(iter(Q.parameters())).data_ptr()
    with pytest.raises(IndexError, match="no member 3"):
        Q.net[3]


def test_roles_and_copies(members, batch):
    queue = iter(members)
    Q = pr.ensemble(3, pr.Deterministic, "q | s, a", lambda: next(queue), name="Q")
    a = pr.symbols("a", rank=1)
    before = Q.target(s, a)(batch)
    torch.testing.assert_close(before, Q(s, a)(batch))
    with torch.no_grad():
        for p in Q.parameters():
            p.add_(1.0)
    torch.testing.assert_close(Q.target(s, a)(batch), before)
    twin = copy.deepcopy(Q)
    torch.testing.assert_close(twin(s, a)(batch), Q(s, a)(batch))
    torch.testing.assert_close(twin.target(s, a)(batch), before)


def test_one_call_for_all_members(batch):
    Q = pr.ensemble(2, pr.Deterministic, "q | s, a", lambda: pr.mlp(5, 8, 1), name="Q")
    calls = []
    Q.net.register_forward_hook(lambda *_: calls.append(1))
    a = pr.symbols("a", rank=1)
    (Q(s, a).min("i") + Q(s, a).max("i"))(batch)
    assert len(calls) == 1


def test_of_any_family(batch):
    P = pr.ensemble(4, pr.Normal, "y | s", lambda: pr.mlp(3, 8, 4), name="p")
    y = pr.symbols("y")
    log_prob = P(s).log_prob(y)
    assert log_prob.type.names == ("i", "batch") or log_prob.type.names == ("batch", "i")
    assert log_prob.mean("i")({**batch, "y": torch.randn(6, 2)}).shape == (6,)
    assert P(s).draw().type.rank == 1
    C = pr.ensemble(2, pr.Deterministic, "q[a] | s", lambda: pr.mlp(3, 8, 4), name="Q", axis="j")
    assert C(s).min("j")(batch).shape == (6, 4)

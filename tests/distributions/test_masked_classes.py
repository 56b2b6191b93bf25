"""Classes that are masked by a logit of -inf: every number is that of the distribution over the others, with gradients."""

from __future__ import annotations

import math

import pytest
import torch

import probrl as pr

LOGITS = torch.tensor([[0.3, -math.inf, 1.0], [0.0, 2.0, -1.0]], dtype=torch.float64)
OTHERS = torch.tensor([[1.0, -math.inf, 0.0], [0.5, 0.0, 0.0]], dtype=torch.float64)
s, a = pr.symbols("s a")


class Table(torch.nn.Module):
    """A row of logits per row of the data."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(logits.clone())

    def forward(self, s):
        return self.logits


def declared(family, logits, name):
    options = {"sizes": (3,)} if family is pr.MultiDiscrete else {}
    return family("a | s", Table(logits), name=name, **options)


@pytest.mark.parametrize("family", [pr.Categorical, pr.OneHot, pr.MultiDiscrete])
def test_a_masked_class_adds_nothing_and_spoils_nothing(family):
    p, q = declared(family, LOGITS, "p"), declared(family, OTHERS, "q")
    batch = {"s": torch.zeros(2, 1, dtype=torch.float64)}
    taken = torch.tensor([2, 1])
    batch["a"] = {pr.OneHot: torch.nn.functional.one_hot(taken, 3).double(), pr.MultiDiscrete: taken[:, None]}.get(
        family, taken
    )
    theirs = torch.distributions.Categorical(logits=LOGITS), torch.distributions.Categorical(logits=OTHERS)
    log_p, log_q = (torch.log_softmax(x, -1) for x in (LOGITS, OTHERS))
    truth = torch.where(log_p.exp() > 0, log_p.exp() * (log_p - log_q), 0).sum(-1)
    assert torch.allclose(p(s).entropy()(batch), theirs[0].entropy())
    assert torch.allclose(p(s).kl(q(s))(batch), truth)
    assert torch.allclose(p(s).log_prob(a)(batch), theirs[0].log_prob(taken))
    total = pr.mean(p(s).entropy() + p(s).kl(q(s)) + p(s).log_prob(a))(batch)
    gradients = torch.autograd.grad(total, [*p.parameters(), *q.parameters()])
    assert all(torch.isfinite(g).all() for g in gradients)


def test_what_the_other_never_gives_is_infinitely_far():
    p, q = declared(pr.Categorical, OTHERS * 0, "p"), declared(pr.Categorical, LOGITS, "q")
    p.net.logits.data.nan_to_num_(0.0)
    batch = {"s": torch.zeros(2, 1, dtype=torch.float64)}
    assert p(s).kl(q(s))(batch)[0] == math.inf

"""Methods of tensors and of torch's distributions that formulas do not have: each is missing in words."""

from __future__ import annotations

import copy

import pytest

import probrl as pr

s, a, A = pr.symbols("s a A")
pi = pr.Normal("a | s", pr.mlp(3, 4), name="p")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: A.exp(), "A has no .exp: write pr.exp(...)"),
        (lambda: A.clamp(0, 1), "pr.clip(x, low, high)"),
        (lambda: A.detach(), "pr.stop_gradient(x)"),
        (lambda: pr.mean(A).backward(), "pr.Minimize(loss, wrt=...)"),
        (lambda: A.item(), "float(x(batch))"),
        (lambda: A.shape, "axes have names"),
        (lambda: A.nothing, "A has no .nothing"),
        (lambda: pi(s).sample(), "write .draw()"),
        (lambda: pi(s).rsample(), "write .draw()"),
        (lambda: pi(s).nothing, "it can be asked for log_prob"),
        (lambda: pi.entropy(), "write p(s).entropy(...)"),
        (lambda: pi.kl(pi.old), "write p(s).kl(...)"),
    ],
)
def test_what_is_missing_says_what_to_write(asked, said):
    with pytest.raises(AttributeError) as refused:
        asked()
    assert said in str(refused.value)


def test_a_distribution_still_misses_what_any_module_misses():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pi.nothing


def test_a_property_that_fails_says_why(monkeypatch):
    x = pr.symbols("x")
    monkeypatch.setattr(type(x), "broken", property(lambda self: self.missing_inside), raising=False)
    with pytest.raises(AttributeError, match="missing_inside"):
        _ = x.broken


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_an_applied_distribution_is_copied(copied):
    assert repr(copied(pi(s))) == repr(pi(s))

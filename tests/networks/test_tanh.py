"""The quick tanh is torch's, with every kind of derivative."""

import pytest
import torch
from torch.func import functional_call, jacfwd, jacrev, vmap

import probrl as pr
from probrl.networks import tanh


@pytest.fixture(autouse=True)
def on_few_numbers(monkeypatch):
    monkeypatch.setattr(tanh, "MANY", 0)


def test_values_and_derivatives():
    x = torch.linspace(-30, 30, 301, dtype=torch.float64, requires_grad=True)
    quick = tanh.Tanh()
    torch.testing.assert_close(quick(x), torch.tanh(x), rtol=0, atol=4e-16)
    assert torch.autograd.gradcheck(quick, x[100:200:9].detach().requires_grad_(), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(quick, x[100:200:9].detach().requires_grad_())
    with torch.no_grad():
        torch.testing.assert_close(quick(x.float()), torch.tanh(x.float()), rtol=0, atol=2e-7)


def test_transformed():
    x, quick = torch.randn(5, 3, dtype=torch.float64), tanh.Tanh()
    for derivative in (jacrev, jacfwd):
        torch.testing.assert_close(vmap(derivative(quick))(x), vmap(derivative(torch.tanh))(x))


def test_a_network_has_the_gradients_of_torch_s():
    torch.manual_seed(0)
    ours, x = pr.mlp(4, 8, 8, 2), torch.randn(16, 4)
    theirs = torch.nn.Sequential(*(torch.nn.Tanh() if isinstance(m, torch.nn.Tanh) else m for m in ours))
    weights = dict(ours.named_parameters())
    found, wanted = (
        torch.autograd.grad(functional_call(net, weights, (x,)).square().sum(), list(weights.values()))
        for net in (ours, theirs)
    )
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_the_network_s_tanh_is_the_quick_one():
    assert type(pr.mlp(2, 4, 1)[1]) is tanh.Tanh

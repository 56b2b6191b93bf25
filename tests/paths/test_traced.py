"""Functions of time trace whole before anything was derived: what sympy does is no part of a compiled graph."""

import pytest
import torch

import probrl as pr
from probrl.networks import TimeMLP
from tests.paths.families import SHIPPED, path

at = torch.linspace(0.1, 0.9, 5)


def everything(p, x, t):
    """All that a path knows, on tensors."""
    words = ("alpha", "sigma", "alpha_dot", "sigma_dot", "drift", "diffusion", "half_log_snr", "reverse_noise")
    found = [getattr(p, word)(t) for word in words]
    found += [p.time_of(p.half_log_snr(t)), p.weight(t, "likelihood"), p.reverse_noise(t, 0.5)]
    found += [p.perturb(x, x, t), p.target("F", x, x, t), p.convert(x, x, t, source="noise", target="velocity")]
    return found


@pytest.mark.parametrize("name", ["LinearVP", "Linear", "EDM"])
def test_a_fresh_path_traces_whole(name):
    fresh, x = SHIPPED[name](), torch.randn(5, 2)
    torch.compiler.reset()
    traced = torch.compile(lambda x, t: everything(fresh, x, t), fullgraph=True, backend="eager")
    torch.testing.assert_close(traced(x, at), everything(path(name), x, at))
    torch.testing.assert_close(traced(x + 1, at**2), everything(path(name), x + 1, at**2))


def test_one_traced_function_takes_several_paths():
    torch.compiler.reset()
    traced = torch.compile(lambda p, t: p.alpha(t) + p.weight(t, "velocity"), fullgraph=True, backend="eager")
    for p in (pr.paths.GVP(), pr.paths.LinearVP(), pr.paths.Linear(), pr.paths.GVP()):
        torch.testing.assert_close(traced(p, at), p.alpha(at) + p.weight(at, "velocity"))


def test_an_own_loss_over_a_fresh_path_traces_with_its_gradients():
    torch.manual_seed(0)
    fresh, network = pr.paths.GaussianPath(1 - pr.paths.t**2, pr.paths.t), TimeMLP(2, hidden=(8,))
    x, e = torch.randn(5, 2), torch.randn(5, 2)

    def loss(x, e, t):
        said = network(fresh.perturb(x, e, t), t, None)
        return (fresh.weight(t, "velocity") * (said - fresh.target("noise", x, e, t)).square().sum(1)).mean()

    torch.compiler.reset()
    value = torch.compile(loss, fullgraph=True, backend="aot_eager")(x, e, at)
    found = torch.autograd.grad(value, list(network.parameters()))
    for one, other in zip(found, torch.autograd.grad(loss(x, e, at), list(network.parameters())), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("family", [pr.Diffusion, pr.Flow])
def test_a_fresh_model_is_compiled_at_once(family):
    torch.manual_seed(0)
    mu, x = family("x", TimeMLP(2, hidden=(8,)), path=pr.paths.CosineVP()), pr.symbols("x")
    update = pr.Minimize(pr.mean(mu.matching(x)), wrt=mu).compile(backend="aot_eager", seed=0)
    assert float(update({"x": torch.randn(4, 2)})["finite"]) == 1

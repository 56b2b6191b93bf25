"""Ours are pixyz distributions: its algebra, losses and models work on them, and its names keep its meaning."""

from __future__ import annotations

import copy

import pixyz.distributions as pd
import pixyz.losses as pl
import pixyz.models as pm
import pytest
import torch

import probrl as pr

S = pr.symbols("s")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def unit(features: int = 2) -> pd.Normal:
    return pd.Normal(
        loc=torch.tensor(0.0), scale=torch.tensor(1.0), var=["z"], features_shape=[features], name="p_{prior}"
    )


@pytest.fixture
def encoder():
    return pr.Normal("z | x", pr.mlp(3, 8, 4), name="q")


@pytest.fixture
def decoder():
    return pr.Bernoulli("x | z", pr.mlp(2, 8, 3), rank=1, name="p")


@pytest.fixture
def x():
    return torch.rand(6, 3).round()


@pytest.fixture
def pi():
    return pr.Categorical("a | s", pr.mlp(3, 4), name=r"\pi_\theta")


def test_what_pixyz_knows_of_a_distribution(pi):
    assert isinstance(pi, pd.Distribution)
    assert pi.var == ["a"] and pi.cond_var == ["s"] and pi.input_var == ["s"]
    assert pi.notation == r"\pi_\theta" and pi.name == r"\pi_{\theta}"
    assert pi.prob_text == r"\pi_{\theta}(a|s)" and "Categorical" in str(pi)
    assert len(list(pi.graph.factors())) == 1


def test_called_with_tensors_it_gives_its_parameters(pi, encoder, x):
    s = torch.randn(6, 3)
    for found in (pi(s), pi(s=s), pi.get_params({"s": s})):
        torch.testing.assert_close(found["logits"], pi.net(s))
    assert set(encoder(x)) == {"loc", "scale"}


def test_samples(pi, encoder, x):
    s = torch.randn(6, 3)
    for given in ({"s": s}, s, [s]):
        assert set(pi.sample(given)) == {"s", "a"}
    assert set(pi.sample({"s": s, "other": s})) == {"s", "a", "other"}
    assert set(pi.sample({"s": s}, return_all=False)) == {"a"}
    assert encoder.sample({"x": x}, sample_shape=[7])["z"].shape == (7, 6, 2)
    assert encoder.sample({"x": x[:1]}, batch_n=9)["z"].shape == (9, 2)
    torch.testing.assert_close(encoder.sample({"x": x}, sample_mean=True)["z"], encoder(x)["loc"])
    assert encoder.sample({"x": x}, reparam=True)["z"].requires_grad
    assert not encoder.sample({"x": x})["z"].requires_grad
    torch.testing.assert_close(encoder.sample_mean({"x": x}), encoder(x)["loc"])
    torch.testing.assert_close(encoder.sample_variance({"x": x}), encoder(x)["scale"] ** 2)


def test_losses_and_tensors_of_one_name(encoder, x):
    z = torch.randn(6, 2)
    loss = encoder.log_prob()
    assert isinstance(loss, pl.LogProb) and isinstance(encoder.prob(), pl.Prob)
    torch.testing.assert_close(loss.eval({"x": x, "z": z}), encoder.log_prob({"x": x, "z": z}))
    torch.testing.assert_close(encoder.prob().eval({"x": x, "z": z}), encoder.prob({"x": x, "z": z}))
    torch.testing.assert_close(encoder.log_prob({"x": x, "z": z}, exact=True), encoder.log_prob({"x": x, "z": z}))


def test_divergence_entropy_expectation(encoder, decoder, x):
    p = encoder(x)
    reference = torch.distributions.Normal(p["loc"], p["scale"])
    expected = torch.distributions.kl_divergence(reference, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(pl.KullbackLeibler(encoder, unit()).eval({"x": x}), expected)
    torch.testing.assert_close(pl.Entropy(encoder).eval({"x": x}), reference.entropy().sum(-1))
    assert decoder.log_prob().expectation(encoder).eval({"x": x}).shape == (6,)
    assert pl.ELBO(decoder * unit(), encoder).eval({"x": x}).shape == (6,)


def test_a_divergence_of_classes_is_one_per_row(pi):
    other, s = pr.Categorical("a | s", pr.mlp(3, 4), name="m"), torch.randn(6, 3)
    found = pl.KullbackLeibler(pi, other).eval({"s": s})
    torch.testing.assert_close(found, pi(S).kl(other(S))({"s": s}))
    assert found.shape == (6,)


def test_a_variational_autoencoder_learns(encoder, decoder, x):
    vae = pm.VAE(encoder, decoder, regularizer=pl.KullbackLeibler(encoder, unit()), optimizer_params={"lr": 3e-2})
    losses = [vae.train({"x": x}).item() for _ in range(60)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_nothing_stale(encoder, x):
    """A second look at the same batch after a step sees the new weights, with a gradient, without pixyz's memory."""
    batch = {"x": x, "z": torch.randn(6, 2)}
    with torch.no_grad():
        before = encoder.log_prob().eval(batch)
    encoder.log_prob().eval(batch).sum().backward()
    with torch.no_grad():
        for p in encoder.parameters():
            p.add_(0.1)
    after = encoder.log_prob().eval(batch)
    assert after.requires_grad and not torch.allclose(before, after)
    after.sum().backward()


def test_algebra(pi, encoder, x):
    s = torch.randn(6, 3)
    renamed = pi.replace_var(a="b")
    assert renamed.var == ["b"] and renamed.sample({"s": s})["b"].shape == (6,)
    torch.testing.assert_close(
        renamed.get_log_prob({"s": s, "b": torch.zeros(6).long()}), torch.log_softmax(pi.net(s), -1)[:, 0]
    )
    joint = pi * encoder
    assert joint.var == ["a", "z"] and set(joint.sample({"x": x, "s": s})) == {"x", "s", "a", "z"}
    marginal = joint.marginalize_var("z")
    assert marginal.var == ["a"] and set(marginal.sample({"x": x, "s": s})) == {"x", "s", "a"}
    with_theirs = pi * unit()
    assert type(with_theirs) is pd.MultiplyDistribution and set(with_theirs.var) == {"a", "z"}
    assert set(pr.lift(unit() * pi).declaration.variables) == {"a", "z"}


def test_a_distribution_without_conditions():
    class Free(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.value = torch.nn.Parameter(torch.randn(4))

        def forward(self):
            return self.value

    b = pr.Categorical("b", Free())
    assert b().entropy()({}).shape == ()
    assert b.sample()["b"].shape == (1,) and b.sample(batch_n=5)["b"].shape == (5,)
    torch.testing.assert_close(b.log_prob({"b": torch.tensor([2])}), torch.log_softmax(b.net.value, -1)[2:3])
    assert pr.Uniform(0, 1).sample(batch_n=3)["x"].shape == (3,)


def test_roles_are_pixyz_distributions(pi):
    s = torch.randn(6, 3)
    target = pi.target
    assert isinstance(target, pd.Distribution) and not list(target.parameters())
    before = target.log_prob({"s": s, "a": torch.zeros(6).long()})
    with torch.no_grad():
        pi.net[0].bias.add_(torch.randn(4))
    torch.testing.assert_close(target.log_prob().eval({"s": s, "a": torch.zeros(6).long()}), before)
    assert set(target.sample({"s": s})) == {"s", "a"}
    assert list((target * unit()).parameters()) == []
    pi.load_role_state_dict({k: torch.zeros_like(v) for k, v in pi.role_state_dict().items()})
    assert target(s)["logits"].abs().max() == 0
    pi.double()
    assert target(s.double())["logits"].dtype is torch.float64


def test_a_copy_of_a_role(pi):
    twin = copy.deepcopy(pi.target)
    assert twin.role == "target" and twin.owner is not pi


@pytest.mark.parametrize("first", [True, False], ids=["pixyz first", "pixyz later"])
def test_imported_before_or_after(first):
    import subprocess
    import sys

    code = """
{before}
import probrl as pr, torch, pixyz.distributions as pd
class Actor(pd.Normal):
    def __init__(self):
        super().__init__(var=["a"], cond_var=["s"], name="p")
        self.net = torch.nn.Linear(3, 2)
    def forward(self, s):
        return {{"loc": self.net(s), "scale": torch.ones(2)}}
actor = Actor()
ours = pr.Normal("a | s", pr.mlp(3, 2), scale=1.0)
s, a = pr.symbols("s a")
batch = {{"s": torch.randn(4, 3), "a": torch.randn(4, 2)}}
for d, net in ((actor, actor.net), (ours, ours.net[0])):
    term = pr.lift((pr.lift(d) if d is ours else d).log_prob())
    values = [batch[k] for k in term.loss.input_var]
    for _ in range(3):
        with torch.no_grad():
            net.weight.add_(1.0)
        expected = torch.distributions.Normal(net(batch["s"]), 1.0).log_prob(batch["a"]).sum(-1)
        found = pr.given(d, s).log_prob(a)(batch)
        torch.testing.assert_close(found, expected)
        found = term(**{{k: pr.symbols(k, rank=1) for k in term.loss.input_var}})(batch)
        torch.testing.assert_close(found, expected)
        found.sum().backward()
""".format(before="import pixyz.distributions" if first else "")
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)

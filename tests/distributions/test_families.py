"""Densities against scipy, where parameters come from, recorded parameters, and what is special to one family."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import nn

import probrl as pr
from probrl.errors import DataError, ExpressionError

s, a, u = pr.symbols("s a u")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def batch():
    return {"s": torch.randn(5, 3), "a": torch.randint(0, 4, (5,)), "u": torch.rand(5, 2) * 0.8 + 0.1}


class TestAgainstScipy:
    def test_normal(self, batch):
        d = pr.Normal("u | s", pr.mlp(3, 4))
        p = {k: v.detach().numpy() for k, v in d(batch["s"]).items()}
        expected = stats.norm.logpdf(batch["u"].numpy(), p["loc"], p["scale"]).sum(-1)
        torch.testing.assert_close(d(s).log_prob(u)(batch), torch.as_tensor(expected), check_dtype=False)

    def test_beta(self, batch):
        d = pr.Beta("u | s", pr.mlp(3, 4))
        p = {k: v.detach().numpy() for k, v in d(batch["s"]).items()}
        expected = stats.beta.logpdf(batch["u"].numpy(), p["concentration1"], p["concentration0"]).sum(-1)
        torch.testing.assert_close(d(s).log_prob(u)(batch), torch.as_tensor(expected), check_dtype=False)
        assert (d(batch["s"])["concentration1"] >= 1).all()

    def test_full_covariance(self, batch):
        d = pr.MultivariateNormal("u | s", pr.mlp(3, 6))
        p = {k: v.detach().double().numpy() for k, v in d(batch["s"]).items()}
        expected = [
            stats.multivariate_normal.logpdf(x, m, f @ f.T)
            for x, m, f in zip(batch["u"].numpy(), p["loc"], p["scale_tril"], strict=True)
        ]
        torch.testing.assert_close(
            d(s).log_prob(u)(batch), torch.tensor(expected), check_dtype=False, rtol=1e-4, atol=1e-4
        )

    def test_squashed(self, batch):
        d = pr.TanhNormal("u | s", pr.mlp(3, 4)).double()
        batch = {k: v.double() if v.is_floating_point() else v for k, v in batch.items()}
        p = {k: v.detach().numpy() for k, v in d(batch["s"]).items()}
        x = batch["u"].numpy()
        import numpy as np

        expected = (stats.norm.logpdf(np.arctanh(x), p["loc"], p["scale"]) - np.log(1 - x**2)).sum(-1)
        torch.testing.assert_close(d(s).log_prob(u)(batch), torch.as_tensor(expected))


class TestScales:
    def test_halves_and_clip(self, batch):
        net = pr.mlp(3, 4)
        loc, raw = net(batch["s"]).chunk(2, -1)
        found = pr.Normal("u | s", net)(batch["s"])
        torch.testing.assert_close(found["loc"], loc)
        torch.testing.assert_close(found["scale"], raw.clamp(-20, 2).exp())
        torch.testing.assert_close(pr.TanhNormal("u | s", net)(batch["s"])["scale"], raw.clamp(-5, 2).exp())

    def test_free(self, batch):
        d = pr.Normal("u | s", pr.mlp(3, 8, 2), scale="free")
        assert [p.shape for n, p in d.named_parameters() if "log_scale" in n] == [(2,)]
        torch.testing.assert_close(d(batch["s"])["scale"], torch.ones(5, 2))
        pr.mean(d(s).log_prob(u))(batch).backward()
        assert all(p.grad is not None for p in d.parameters())
        assert d(s).entropy()(batch).shape == (5,)

    def test_free_of_an_unreadable_network(self, batch):
        class Half(nn.Module):
            def forward(self, s):
                return s[:, :2]

        with pytest.raises(ExpressionError, match="event_shape"):
            pr.Normal("u | s", Half(), scale="free")
        assert pr.Normal("u | s", Half(), scale="free", event_shape=(2,))(s).log_prob(u)(batch).shape == (5,)

    def test_fixed(self, batch):
        d = pr.Normal("u | s", pr.mlp(3, 2), scale=0.5)
        torch.testing.assert_close(d(batch["s"])["scale"], torch.full((5, 2), 0.5))
        torch.testing.assert_close(
            d(s).entropy()(batch), torch.full((5,), 2 * (math.log(0.5) + 0.5 * math.log(2 * math.pi * math.e)))
        )

    @pytest.mark.parametrize("swap", [False, True])
    def test_by_name_whatever_the_order(self, batch, swap):
        class Both(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Linear(3, 2)

            def forward(self, s):
                out = {"scale": torch.full((len(s), 2), 2.0), "loc": self.net(s)}
                return out if swap else (out["loc"], out["scale"])

        net = Both()
        d = pr.Normal("u | s", net, scale="network")
        expected = torch.distributions.Normal(net.net(batch["s"]), 2.0).log_prob(batch["u"]).sum(-1)
        torch.testing.assert_close(d(s).log_prob(u)(batch), expected)

    def test_a_network_that_returns_something_else(self, batch):
        with pytest.raises(DataError, match="loc, scale"):
            pr.Normal("u | s", pr.mlp(3, 2), scale="network")(s).entropy()(batch)

    def test_scalars(self, batch):
        d = pr.Normal("w | s", pr.mlp(3, 2), rank=0)
        w = torch.randn(5)
        raw = d.net(batch["s"])
        expected = torch.distributions.Normal(raw[:, 0], raw[:, 1].clamp(-20, 2).exp()).log_prob(w)
        torch.testing.assert_close(d(s).log_prob(pr.symbols("w"))({**batch, "w": w}), expected)
        assert d.sample(batch)["w"].shape == (5,)

    def test_one_scale_for_all_coordinates(self, batch):
        sigma, x = pr.symbols("sigma x")
        d = pr.Normal(loc=pr.symbols("u", rank=1), scale=sigma)
        batch = {**batch, "sigma": torch.rand(5) + 0.5, "x": torch.randn(5, 2)}
        reference = torch.distributions.Normal(batch["u"], batch["sigma"].unsqueeze(-1))
        torch.testing.assert_close(d.log_prob(x)(batch), reference.log_prob(batch["x"]).sum(-1))
        torch.testing.assert_close(d().entropy()(batch), reference.entropy().sum(-1))
        other = pr.Normal(loc=0.0 * pr.symbols("u", rank=1), scale=2.0)
        expected = torch.distributions.kl_divergence(reference, torch.distributions.Normal(torch.zeros(5, 2), 2.0)).sum(
            -1
        )
        torch.testing.assert_close(d().kl(other())(batch), expected)


class TestExpressions:
    def test_logits_along_an_axis(self, batch):
        q = pr.Deterministic("q[k] | s", pr.mlp(3, 4))
        d = pr.Categorical(logits=q(s), axis="k")
        k = d.draw()
        assert k(batch).shape == (5,)
        torch.testing.assert_close(d.log_prob(a)(batch), torch.log_softmax(q.net(batch["s"]), -1)[range(5), batch["a"]])
        assert d.sample(batch)["k"].shape == (5,)

    def test_a_function_of_expressions(self, batch):
        mu = pr.Deterministic("m | s", pr.mlp(3, 2), rank=1)
        d = pr.Normal("u | s", lambda s: (mu(s), 0.3))
        expected = torch.distributions.Normal(mu.net(batch["s"]), 0.3).log_prob(batch["u"]).sum(-1)
        torch.testing.assert_close(d(s).log_prob(u)(batch), expected)
        with pytest.raises(ExpressionError, match="no network of its own"):
            d.old(s).log_prob(u).body  # noqa: B018
        assert not d.frozen(s).log_prob(u)(batch).requires_grad

    def test_per_row_and_per_update(self, batch):
        assert pr.Uniform(0, 1).draw(per=s)(batch).shape == (5,)
        assert pr.Uniform(0, 1).draw(8, "m", per=s)(batch).shape == (5, 8)
        assert (pr.Uniform(2, 3).draw() + 0 * pr.symbols("r"))({"r": torch.zeros(4)}).unique().numel() == 1

    def test_a_draw_is_one_value(self, batch):
        x = pr.Normal("u | s", pr.mlp(3, 4))(s).draw()
        assert ((x - x)(batch) == 0).all()
        d = pr.Normal("u | s", pr.mlp(3, 4))
        assert (d(s).draw() - d(s).draw())(batch).abs().min() > 0

    def test_a_permutation(self):
        rows = torch.stack([pr.Subset(4, 4).draw(axis="i")({}) for _ in range(5)])
        assert (rows.sort(1).values == torch.arange(4)).all()


class TestClasses:
    def test_integers_and_one_hot(self, batch):
        pi = pr.Categorical("a | s", pr.mlp(3, 4))
        hot = nn.functional.one_hot(batch["a"], 4).float()
        by_index = pi(s).log_prob(a)(batch)
        torch.testing.assert_close(pi(s).log_prob(pr.symbols("a", rank=1))({**batch, "a": hot}), by_index)
        torch.testing.assert_close(pi.log_prob({**batch, "a": hot}), by_index)
        torch.testing.assert_close(pi.log_prob(batch), by_index)
        with pytest.raises(DataError, match="rank=1"):
            pi(s).log_prob(a)({**batch, "a": hot})

    def test_integers_that_look_one_hot(self):
        pi = pr.Categorical("a | s", pr.mlp(3, 4))
        batch = {"s": torch.randn(4, 3), "a": torch.tensor([0, 1, 0, 0])}  # as many rows as classes
        expected = torch.log_softmax(pi.net(batch["s"]), -1).gather(1, batch["a"][:, None])[:, 0]
        torch.testing.assert_close(pi.log_prob(batch), expected)

    def test_straight_through(self, batch):
        q = pr.OneHot("z | s", pr.mlp(3, 4))
        z = q(s).draw(gradient="straight-through").to_event("class")
        value = z(batch)
        torch.testing.assert_close(value.sum(-1), torch.ones(5))
        assert value.detach().max(-1).values.allclose(torch.ones(5))
        weight = torch.randn(5, 4)
        ours = torch.autograd.grad((value * weight).sum(), q.net[0].bias)[0]
        theirs = torch.autograd.grad((torch.softmax(q.net(batch["s"]), -1) * weight).sum(), q.net[0].bias)[0]
        torch.testing.assert_close(ours, theirs)
        assert not q(s).draw()(batch).requires_grad

    def test_booleans(self, batch):
        p = pr.Bernoulli("c | s", pr.mlp(3, 1))
        c = torch.tensor([True, False, True, True, False])
        expected = torch.distributions.Bernoulli(logits=p.net(batch["s"])[:, 0]).log_prob(c.float())
        for value in (c, c.float(), c.long()):
            torch.testing.assert_close(p(s).log_prob(pr.symbols("c"))({**batch, "c": value}), expected)


class TestRecorded:
    time = pr.Axis("time", mask="valid")

    def columns(self):
        return {
            "z": torch.randn(2, 5, 3),
            "a": torch.randint(0, 4, (2, 5)),
            "valid": torch.ones(2, 5, dtype=torch.bool),
            "a_logits": torch.randn(2, 5, 4),
            "a_log_prob": torch.randn(2, 5),
        }

    def test_columns_follow_the_axes_of_the_conditions(self):
        z, a = pr.symbols("z a", axes=self.time)
        pi, batch = pr.Categorical("a | z", pr.mlp(3, 4)), self.columns()
        torch.testing.assert_close(pi.behavior(z).log_prob(a)(batch), batch["a_log_prob"])
        torch.testing.assert_close(pi.behavior(z).prob(a)(batch), batch["a_log_prob"].exp())
        old, new = (torch.distributions.Categorical(logits=x) for x in (batch["a_logits"], pi.net(batch["z"])))
        torch.testing.assert_close(pi.behavior(z).entropy()(batch), old.entropy())
        torch.testing.assert_close(pi.behavior(z).kl(pi(z))(batch), torch.distributions.kl_divergence(old, new))

    def test_locations_and_scales(self, batch):
        d = pr.Normal("u | s", pr.mlp(3, 4))
        batch = {**batch, "u_loc": torch.zeros(5, 2), "u_scale": torch.ones(5, 2)}
        kl = d.behavior(s).kl(d(s))(batch)
        p = d(batch["s"])
        reference = torch.distributions.kl_divergence(
            torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(p["loc"], p["scale"])
        )
        torch.testing.assert_close(kl, reference.sum(-1))

    def test_a_missing_column_is_named(self, batch):
        pi = pr.Categorical("a | s", pr.mlp(3, 4))
        with pytest.raises(DataError, match="a_log_prob"):
            pi.behavior(s).log_prob(a)(batch)


class TestDeterministic:
    def test_shapes(self, batch):
        v = pr.Deterministic("v | s", pr.mlp(3, 1))
        assert v(s)(batch).shape == (5,) and v.sample(batch)["v"].shape == (5,)
        q = pr.Deterministic("q[a] | s", pr.mlp(3, 4))
        torch.testing.assert_close(q(s)[a](batch), q.net(batch["s"]).gather(1, batch["a"][:, None])[:, 0])
        assert q(s).argmax("a")(batch).shape == (5,)

    def test_several_variables(self, batch):
        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Linear(3, 6), nn.Linear(3, 1)

            def forward(self, o):
                return self.a(o), self.b(o)

        encoder = pr.Deterministic("z, inherent | s", Two(), rank=(1, 0))
        z, inherent = encoder(s)
        assert z(batch).shape == (5, 6) and inherent(batch).shape == (5,)
        assert {k: v.shape for k, v in encoder.sample(batch, return_all=False).items()} == {
            "z": (5, 6),
            "inherent": (5,),
        }
        with pytest.raises(ExpressionError, match="2 variables"):
            pr.Deterministic("z, y | s", Two(), rank=(1, 0, 0))

    def test_a_plain_sequence_gets_its_inputs_joined(self, batch):
        net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))
        q = pr.Deterministic("q | s, u", net)
        torch.testing.assert_close(q(s, u)(batch), net(torch.cat([batch["s"], batch["u"]], -1))[:, 0])
        assert {id(p) for p in q.parameters()} == {id(p) for p in net.parameters()}


def test_a_derivative_by_a_draw_sees_its_value_alone():
    d = pr.TanhNormal("u | s", pr.mlp(3, 4)).double()
    batch = {"s": torch.randn(5, 3, dtype=torch.float64)}
    x = d(s).draw()
    from probrl.graph import Function

    found = Function({"x": x, "score": pr.grad(d(s).log_prob(x), x)})(batch)
    value = found["x"].detach().requires_grad_()
    (expected,) = torch.autograd.grad(d.log_prob({**batch, "u": value}).sum(), value)
    torch.testing.assert_close(found["score"], expected)


def test_several_classes_at_once(batch):
    pi = pr.MultiDiscrete("m | s", pr.mlp(3, 5), sizes=(2, 3))
    m = torch.stack([torch.randint(0, 2, (5,)), torch.randint(0, 3, (5,))], -1)
    x, y = torch.split(pi.net.network(batch["s"]), [2, 3], -1)
    parts = [torch.distributions.Categorical(logits=z) for z in (x, y)]
    expected = parts[0].log_prob(m[:, 0]) + parts[1].log_prob(m[:, 1])
    torch.testing.assert_close(pi(s).log_prob(pr.symbols("m"))({**batch, "m": m}), expected)
    torch.testing.assert_close(pi(s).entropy()(batch), parts[0].entropy() + parts[1].entropy())
    assert not pi.sample(batch)["m"].is_floating_point()
    with pytest.raises(DataError, match="2\\+3"):
        pr.MultiDiscrete("m | s", pr.mlp(3, 6), sizes=(2, 3))(s).entropy()(batch)


def test_a_condition_may_be_a_nested_dict():
    class Fused(nn.Module):
        def __init__(self):
            super().__init__()
            self.picture, self.speed = nn.Linear(4, 3), nn.Linear(2, 3)

        def forward(self, o):
            return self.picture(o["picture"]) + self.speed(o["body"]["speed"])

    o = pr.symbols("o")
    pi = pr.Categorical("a | o", Fused())
    nested = {"o": {"picture": torch.randn(5, 4), "body": {"speed": torch.randn(5, 2)}}, "a": torch.randint(0, 3, (5,))}
    torch.testing.assert_close(pi(o).log_prob(a)(nested), pi.log_prob(nested))
    assert pi.sample(nested, n=3)["a"].shape == (15,)
    assert pi(o).draw()(nested).shape == (5,)

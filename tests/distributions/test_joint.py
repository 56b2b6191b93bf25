"""Products, mixtures, and the ways to take an expectation."""

from __future__ import annotations

import copy

import pytest
import torch

import probrl as pr
from probrl.errors import DataError, ExpressionError

s, a, u, g = pr.symbols("s a u g")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def batch():
    return {"s": torch.randn(6, 3), "a": torch.randint(0, 4, (6,)), "u": torch.randn(6, 2)}


@pytest.fixture
def mixed():
    return pr.Categorical("a | s", pr.mlp(3, 4), name="p") * pr.Normal("u | s", pr.mlp(3, 4), name="q")


class TestProduct:
    def test_mixed_actions(self, mixed, batch):
        p, q = mixed.parts
        expected = p(s).log_prob(a)(batch) + q(s).log_prob(u)(batch)
        torch.testing.assert_close(mixed(s=s).log_prob(u=u, a=a)(batch), expected)
        torch.testing.assert_close(mixed.log_prob(batch), expected)
        torch.testing.assert_close(mixed(s).prob(a=a, u=u)(batch), expected.exp())
        torch.testing.assert_close(mixed(s).entropy()(batch), p(s).entropy()(batch) + q(s).entropy()(batch))
        drawn = mixed(s).draw()
        assert drawn["a"](batch).shape == (6,) and drawn["u"](batch).shape == (6, 2)
        assert set(mixed(s).mode()) == {"a", "u"}
        two = q * pr.Normal("w | s", pr.mlp(3, 2), rank=0)
        assert two(s).mean()["w"](batch).shape == (6,) and two(s).variance()["u"](batch).shape == (6, 2)
        sample = mixed.sample(batch["s"], n=2)
        assert sample["u"].shape == (12, 2) and torch.equal(sample["s"], batch["s"].repeat_interleave(2, 0))

    def test_training_moves_both(self, mixed, batch):
        loss = pr.mean(-mixed(s).log_prob(a=a, u=u))
        step = pr.Minimize(loss, wrt=mixed, optimizer=pr.Adam(0.03)).compile(backend="eager")
        values = [step(batch)["loss"].item() for _ in range(30)]
        assert values[-1] < values[0]
        assert {id(p) for p in mixed.parameters()} == {id(p) for part in mixed.parts for p in part.parameters()}

    def test_roles(self, mixed, batch):
        kl = mixed.old(s).kl(mixed(s))
        assert kl(batch).abs().max() < 1e-6
        program = pr.Program(
            pr.Minimize(pr.mean(-mixed(s).log_prob(a=a, u=u) + kl), wrt=mixed, optimizer=pr.Adam(0.1)),
            pr.Every(2, pr.Snapshot(mixed.old)),
        )
        update = program.compile(backend="eager")
        update(batch)
        assert kl(batch).min() > 0
        update(batch)
        assert kl(batch).abs().max() < 1e-6
        recorded = {**batch, "a_log_prob": torch.ones(6), "u_log_prob": torch.ones(6)}
        torch.testing.assert_close(mixed.behavior(s).log_prob(a=a, u=u)(recorded), torch.full((6,), 2.0))
        assert not list(mixed.old.parameters()) and mixed.old is mixed.old

    def test_a_copy_and_what_a_checkpoint_stores(self, mixed, batch):
        mixed.old(s).log_prob(a=a, u=u)(batch).sum()
        mixed.log_prob().eval(batch).sum().backward()
        twin = copy.deepcopy(mixed)
        torch.testing.assert_close(twin.log_prob(batch), mixed.log_prob(batch))
        assert not {id(p) for p in twin.parameters()} & {id(p) for p in mixed.parameters()}
        mixture = pr.Mixture(
            pr.Categorical("k | s", pr.mlp(3, 2)), [pr.Normal("u | s", pr.mlp(3, 4)) for _ in range(2)]
        )
        before = mixture.target(s).log_prob(u)(batch)
        state = {k: v.clone() for k, v in mixture.role_state_dict().items()}
        assert len(state) == 6 and all(k.startswith("target.") for k in state)
        mixture.load_role_state_dict({k: v + torch.randn_like(v) for k, v in state.items()})
        assert not torch.allclose(mixture.target(s).log_prob(u)(batch), before)
        mixture.load_role_state_dict(state)
        torch.testing.assert_close(mixture.target(s).log_prob(u)(batch), before)
        with pytest.raises(DataError, match="has no copy"):
            mixture.load_role_state_dict({"target.9.x": before})

    def test_one_factor_conditioned_on_the_other(self, batch):
        first, then = pr.Categorical("a | s", pr.mlp(3, 4)), pr.Normal("u | s, a", pr.mlp(4, 4))
        for joint in (first * then, then * first):
            expected = first(s).log_prob(a)(batch) + then(s, a).log_prob(u)(batch)
            torch.testing.assert_close(joint(s=s).log_prob(a=a, u=u)(batch), expected)
            torch.testing.assert_close(joint.log_prob(batch), expected)
            assert joint.declaration.conditions == ("s",)
            assert joint(s).draw()["u"](batch).shape == (6, 2)
            assert joint.sample(batch, sample_shape=(3,))["u"].shape == (3, 6, 2)
            with pytest.raises(ExpressionError, match="conditioned on 'a'"):
                joint(s).entropy()
        assert (first * then).var == ["a", "u"] and (then * first).declaration.variables == ("u", "a")

    def test_three_and_names(self, batch):
        three = (
            pr.Categorical("a | s", pr.mlp(3, 4))
            * pr.Normal("u | s", pr.mlp(3, 4))
            * pr.Bernoulli("c | g", pr.mlp(2, 1))
        )
        assert three.declaration.conditions == ("s", "g")
        with pytest.raises(ExpressionError, match="by name"):
            three(s, g)
        c = pr.symbols("c")
        data = {**batch, "g": torch.randn(6, 2), "c": torch.ones(6)}
        assert three(s=s, g=g).log_prob(a=a, u=u, c=c)(data).shape == (6,)

    def test_held(self, mixed, batch):
        assert not pr.stop_gradient(mixed(s)).log_prob(a=a, u=u)(batch).requires_grad

    def test_marginal_densities_are_refused(self, batch):
        joint = pr.Normal("u | z", pr.mlp(2, 4)) * pr.Normal("z | s", pr.mlp(3, 4))
        hidden = pr.lift(joint.marginalize_var("z"))
        with pytest.raises(DataError, match="integrated out"):
            hidden.log_prob(batch)
        assert set(hidden.sample({"s": batch["s"]}, return_all=False)) == {"u"}
        mean = pr.Normal("u | z", pr.mlp(2, 4)) * pr.Deterministic("z | s", pr.mlp(3, 2), rank=1)
        assert pr.lift(mean.marginalize_var("z")).log_prob(batch).shape == (6,)


class TestMixture:
    def test_density_mean_and_training(self, batch):
        parts = [pr.Normal("u | s", pr.mlp(3, 4)) for _ in range(3)]
        p = pr.Mixture(pr.Categorical("k | s", pr.mlp(3, 3)), parts, name="m")
        weights = torch.log_softmax(p.weights.net(batch["s"]), -1)
        each = torch.stack([c(s).log_prob(u)(batch) for c in parts], -1)
        torch.testing.assert_close(p(s).log_prob(u)(batch), torch.logsumexp(weights + each, -1))
        means = torch.stack([c(s).mean()(batch) for c in parts], -1)
        torch.testing.assert_close(p(s).mean()(batch), (means * weights.exp().unsqueeze(1)).sum(-1))
        loss = pr.mean(-p(s).log_prob(u))
        step = pr.Minimize(loss, wrt=p, optimizer=pr.Adam(0.03)).compile(backend="eager")
        values = [step(batch)["loss"].item() for _ in range(20)]
        assert values[-1] < values[0]

    def test_a_draw_in_a_loss_needs_an_expectation(self):
        p = pr.Mixture(pr.Categorical("k | s", pr.mlp(3, 2)), [pr.Normal("u | s", pr.mlp(3, 4)) for _ in range(2)])
        with pytest.raises(ExpressionError, match="passes it no gradient"):
            pr.Minimize(pr.mean(pr.sqnorm(p(s).draw())), wrt=p)

    def test_components_that_differ(self):
        with pytest.raises(ExpressionError, match="one variable, rank and support"):
            pr.Mixture(
                pr.Categorical("k | s", pr.mlp(3, 2)),
                [pr.Normal("u | s", pr.mlp(3, 4)), pr.Beta("u | s", pr.mlp(3, 4))],
            )


class TestExpectation:
    def value(self, pi, Q):
        return lambda b: Q(s)[b] - 0.3 * pi(s).log_prob(b)

    def test_exact_is_the_sum(self, batch):
        pi, Q = pr.Categorical("a | s", pr.mlp(3, 4)), pr.Deterministic("q[a] | s", pr.mlp(3, 4))
        found = pr.expect(self.value(pi, Q), over=pi(s).draw(), how="exact")(batch)
        log_p = torch.log_softmax(pi.net(batch["s"]), -1)
        torch.testing.assert_close(found, (log_p.exp() * (Q.net(batch["s"]) - 0.3 * log_p)).sum(-1))

    def test_classes_along_another_axis(self, batch):
        pi, Q = pr.Categorical("b | s", pr.mlp(3, 4)), pr.Deterministic("q[a] | s", pr.mlp(3, 4))
        found = pr.expect(lambda b: Q(s).at(a=b), over=pi(s).draw(), how="exact")(batch)
        p = torch.softmax(pi.net(batch["s"]), -1)
        torch.testing.assert_close(found, (p * Q.net(batch["s"])).sum(-1))

    def test_the_score_has_the_exact_gradient_on_average(self, batch):
        pi, Q = pr.Categorical("a | s", pr.mlp(3, 4)), pr.Deterministic("q[a] | s", pr.mlp(3, 4))
        exact = pr.mean(pr.expect(self.value(pi, Q), over=pi(s).draw(), how="exact"))
        draw = pi(s).draw(20_000, "m")
        score = pr.mean(pr.expect(self.value(pi, Q), over=draw, how="score").mean("m"))
        for p in pi.parameters():
            ours, theirs = (torch.autograd.grad(x(batch), p)[0] for x in (score, exact))
            torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0.1)
        pr.Minimize(score, wrt=pi)

    def test_the_body_may_be_a_formula(self, batch):
        pi, Q = pr.Categorical("a | s", pr.mlp(3, 4)), pr.Deterministic("q[a] | s", pr.mlp(3, 4))
        b = pi(s).draw()
        assert pr.expect(Q(s)[b], over=b) is not None
        torch.testing.assert_close(pr.expect(Q(s)[b], over=b)(batch), pr.expect(lambda k: Q(s)[k], over=b)(batch))

    def test_reparameterised(self, batch):
        p = pr.Normal("u | s", pr.mlp(3, 4))
        draw = p(s).draw()
        assert pr.expect(pr.sqnorm, over=draw, how="reparameterised") is pr.sqnorm(draw)
        with pytest.raises(ExpressionError, match="how='exact' or 'score'"):
            pr.expect(lambda b: 1.0 * b, over=pr.Categorical("a | s", pr.mlp(3, 4))(s).draw(), how="reparameterised")

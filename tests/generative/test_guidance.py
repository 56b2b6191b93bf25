"""Guidance: by an energy and away from no condition, against closed forms."""

import pytest
import torch

import probrl as pr
from probrl.errors import ExpressionError
from probrl.networks import TimeMLP
from tests.generative.exact import ExactNormal, normal

P, S = pr.paths, pr.solvers


def energy_at(path, slope, variance):
    """log E[exp(slope x_0) | x_t] of normal data, up to what does not depend on x_t: linear in x_t."""

    def f(x, t, *given):
        a, s = path.alpha(t), path.sigma(t)
        return slope * a * variance / (a**2 * variance + s**2) * pr.sum_event(x)

    return f


def tilted(path, predicts):
    """N(1, 0.3^2) led to N(1.27, 0.3^2)."""
    mean, covariance = normal(1)
    mu = pr.Diffusion("x", ExactNormal(path, predicts, mean, covariance), path=path, predicts=predicts)
    return pr.EnergyGuided(mu, energy_at(path, 2.0, 0.09), 1.5)


@pytest.mark.parametrize("predicts", ["noise", "score", "data", "velocity"])
@pytest.mark.parametrize("path", [P.LinearVP(), P.GVP()], ids=lambda p: type(p).__name__)
def test_samples_follow_the_tilted_density(path, predicts):
    torch.manual_seed(0)
    pi = tilted(path, predicts)
    x = pi.sample(n=10_000, solver=S.DPM(20))["x"]
    assert float(x.mean()) == pytest.approx(1 + 3.0 * 0.09, abs=0.02) and float(x.std()) == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("predicts", ["velocity", "data"])
@pytest.mark.parametrize("path", [P.Linear(), P.GVP()], ids=lambda p: type(p).__name__)
def test_solvers_stay_off_pure_noise_where_an_energy_weighs_without_bound(path, predicts):
    torch.manual_seed(0)
    pi = tilted(path, predicts)
    for solver in (S.Heun(40), S.DPM(20), S.Euler(100)):
        x = pi.sample(n=10_000, solver=solver)["x"]
        assert float(x.mean()) == pytest.approx(1.27, abs=0.02) and float(x.std()) == pytest.approx(0.3, rel=0.06)
    x = torch.linspace(0.6, 2.0, 5)[:, None]
    torch.testing.assert_close(
        pi.log_prob({"x": x}), torch.distributions.Normal(1.27, 0.3).log_prob(x[:, 0]), atol=1e-3, rtol=0
    )


def test_without_energy_it_is_the_model():
    mu = pr.Diffusion("x | c", TimeMLP(2, condition=3, hidden=(8,)))
    pi = pr.EnergyGuided(mu, lambda x, t, c: pr.sqnorm(x), 0.0)
    z, c = torch.randn(5, 2), torch.randn(5, 3)
    torch.testing.assert_close(pi.sample({"c": c}, start=z)["x"], mu.sample({"c": c}, start=z)["x"])


@pytest.mark.parametrize("family", [pr.Diffusion, pr.Flow])
def test_classifier_free_guidance_extrapolates_from_no_condition(family):
    mu = family("x | c", TimeMLP(2, condition=3, hidden=(8,)), drop=0.2)
    batch = {"x_t": torch.randn(5, 2), "t": torch.linspace(0.1, 0.9, 5), "c": torch.randn(5, 3)}
    x_t, t, c = pr.symbols("x_t t c")
    for quantity in ("noise", "velocity"):
        found = getattr(mu.guided(2.5)(c), quantity)(x_t, t)(batch)
        said = mu.net(batch["x_t"], batch["t"], batch["c"])
        without = mu.net(batch["x_t"], batch["t"], torch.zeros(5, 3))
        led = without + 2.5 * (said - without)
        by_hand = mu.path.convert(led, batch["x_t"], batch["t"], source=mu.predicts, target=quantity)
        torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-4)
    assert mu.guided(2.5).sample({"c": batch["c"]}, n=3, steps=3)["x"].shape == (15, 2)


def test_a_guided_model_gives_densities_and_gradients():
    mu = pr.Flow("x | c", TimeMLP(2, condition=3, hidden=(8,)), drop=0.2)
    c = pr.symbols("c")
    loss = pr.mean(pr.sqnorm(mu.guided(2.0)(c).draw(steps=2)))
    loss.check({"c": torch.randn(4, 3)})
    assert mu.guided(2.0).log_prob({"x": torch.randn(4, 2), "c": torch.randn(4, 3)}, solver=S.RK4(2)).shape == (4,)


def test_the_contrastive_minimum_is_the_energy_itself():
    f, energy = pr.symbols("f energy", axes=pr.Axis("k", data=False))
    batch = {"energy": torch.randn(4, 6), "f": torch.randn(4, 6)}
    loss = pr.mean(pr.contrastive_energy(f, energy))
    best = float(loss({**batch, "f": batch["energy"] + 3.0}))
    assert best < float(loss(batch))
    at = (batch["energy"] + 3.0).requires_grad_()
    loss({**batch, "f": at}).backward()
    assert float(at.grad.abs().max()) < 1e-6


def test_what_cannot_be_is_said():
    mu, x = pr.Diffusion("x | c", TimeMLP(2, condition=3, hidden=(8,))), pr.symbols("x")
    with pytest.raises(ExpressionError, match=r"no network of its own; train its energy with pr.contrastive_energy"):
        pr.EnergyGuided(mu, lambda x, t, c: pr.sqnorm(x))(pr.symbols("c")).matching(x)
    with pytest.raises(ExpressionError, match="no condition"):
        pr.Diffusion("x", TimeMLP(2)).guided(2.0)
    with pytest.raises(ExpressionError, match="Bridge"):
        pr.EnergyGuided(pr.Bridge("x", TimeMLP(2), TimeMLP(2)), lambda x, t: pr.sqnorm(x))


def test_guidance_written_out_as_a_score_is_the_same_model():
    torch.manual_seed(0)
    mu = pr.Diffusion("a | s", TimeMLP(2, condition=3, hidden=(8,)), name=r"\mu")
    f = pr.Deterministic("f | a_t, t, s", pr.mlp(6, 16, 1))
    written = pr.Diffusion(
        "a | s", lambda x, t, s: mu(s).score(x, t) + 3.0 * pr.grad(f(x, t, s), x), predicts="score", event_shape=(2,)
    )
    z, s = torch.randn(5, 2), torch.randn(5, 3)
    found = [m.sample({"s": s}, start=z, solver=S.DPM(6))["a"] for m in (written, pr.EnergyGuided(mu, f, 3.0))]
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-3)


def test_models_that_were_never_trained_without_conditions_are_not_led_away_from_them():
    with pytest.raises(ExpressionError, match=r"declare it with drop=0.1"):
        pr.Diffusion("x | c", TimeMLP(2, condition=3, hidden=(8,))).guided(2.0)
    with pytest.raises(ExpressionError, match="this is a ConsistencyModel; guide one of those"):
        pr.ConsistencyModel("x | c", TimeMLP(2, condition=3, hidden=(8,)), drop=0.1).guided(2.0)

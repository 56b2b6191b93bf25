"""Log-densities are those of the model: what its flow makes of the normal noise that it begins with, on every path."""

import math

import pytest
import sympy
import torch

import probrl as pr
from probrl.networks import TimeMLP
from tests.generative.exact import ExactNormal, normal
from tests.generative.mixture import ExactMixture, clusters, log_density
from tests.paths.families import NAMES, PREDICTIONS, path

KINDS = {name: PREDICTIONS[i % len(PREDICTIONS)] for i, name in enumerate(NAMES)}


def ends(model):
    """The noisiest and the cleanest time of its likelihood."""
    _, times, leaps = model.likelihood_of(None, None)
    return 1.0 if leaps else times[-1], times[0]


def of_normal_data(p, mean, covariance, far, near):
    """x_far ~ N(0, sigma^2) under the flow of normal data, which is affine."""
    mean, covariance = mean.double(), covariance.double()
    values, vectors = torch.linalg.eigh(covariance)
    ratio = (
        (p.alpha(near) ** 2 * values + p.sigma(near) ** 2) / (p.alpha(far) ** 2 * values + p.sigma(far) ** 2)
    ).sqrt()
    carried = vectors @ torch.diag(ratio) @ vectors.T
    loc = p.alpha(near) * mean - p.alpha(far) * carried @ mean
    return torch.distributions.MultivariateNormal(loc, p.sigma(far) ** 2 * carried @ carried.T)


@pytest.mark.parametrize("name", NAMES)
def test_normal_data_in_three_dimensions(name):
    mean, covariance = normal(3)
    mu = pr.Diffusion("x", ExactNormal(path(name), "velocity", mean, covariance), path=path(name), predicts="velocity")
    x = torch.distributions.MultivariateNormal(mean, covariance).sample((30,))
    found = mu.log_prob({"x": x}, exact=True)
    true = of_normal_data(path(name), mean, covariance, *ends(mu)).log_prob(x.double())
    torch.testing.assert_close(found.double(), true, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_mixture_with_its_exact_network(name):
    """Of each path another prediction; where the path ends in pure noise, the density is that of the data as well."""
    p = path(name)
    mu = pr.Diffusion("x", ExactMixture(p, KINDS[name]), path=p, predicts=KINDS[name])
    x = torch.linspace(-1.6, 2.2, 40, dtype=torch.float64)[:, None]
    found = mu.log_prob({"x": x}, exact=True)
    torch.testing.assert_close(found, log_density(p, x[:, 0], *ends(mu)), atol=1e-3, rtol=0)
    if p.alpha(ends(mu)[0]) < 1e-9:
        torch.testing.assert_close(found, clusters(p, 0.0).log_prob(x[:, 0]), atol=1e-3, rtol=0)


def test_bits_and_the_entropy_of_a_mixture():
    p = pr.paths.Linear()
    mu = pr.Flow("x", ExactMixture(p, "velocity"), path=p, solver=pr.solvers.RK4(20)).double()
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    log_p = clusters(p, 0.0).log_prob(x)
    entropy = -torch.trapezoid(log_p.exp() * log_p, x)
    some = x[1800:2400:60, None]
    torch.testing.assert_close(
        mu.bits_per_dimension({"x": some}), -log_p[1800:2400:60] / math.log(2), atol=2e-3, rtol=0
    )
    torch.manual_seed(0)
    assert float(mu.get_entropy({}, samples=2000)) == pytest.approx(float(entropy), abs=0.06)


class Smooth(torch.nn.Module):
    """Any network; its time has no fast waves, so that few steps are many."""

    event_shape = (2,)

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))

    def forward(self, x, t, condition):
        return self.net(torch.cat([x, t[:, None]], 1))


@pytest.mark.parametrize("predicts", ["velocity", "noise", "data"])
def test_any_network_has_the_density_of_its_samples(predicts):
    """The change of variables of the sampler itself, by its Jacobian, over the same times."""
    torch.manual_seed(0)
    mu = pr.Diffusion("x", Smooth(), path=pr.paths.LinearVP(), predicts=predicts).double()
    times = torch.linspace(0.9, 0.1, 13, dtype=torch.float64).tolist()
    solver, scale = pr.solvers.RK4(12), mu.path.sigma(0.9)
    z = scale * torch.randn(1, 2, dtype=torch.float64)
    draw = lambda z: mu.sample(start=z, solver=solver, grid=times, reparam=True)["x"]  # noqa: E731
    jacobian = torch.autograd.functional.jacobian(draw, z)[0, :, 0]
    true = torch.distributions.Normal(0.0, scale).log_prob(z).sum(1) - torch.linalg.slogdet(jacobian)[1]
    found = mu.log_prob({"x": draw(z).detach()}, exact=True, solver=solver, grid=times[::-1])
    torch.testing.assert_close(found, true, atol=0, rtol=1e-3)


@pytest.mark.parametrize("predicts", PREDICTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_every_likelihood_is_finite_to_the_end(name, predicts):
    """With its numbers, or by one step to pure noise where the flow has none there; then the density is that of the data."""
    p = path(name)
    mu = pr.Diffusion("x", ExactMixture(p, predicts), path=p, predicts=predicts)
    assert ends(mu)[0] == 1 and ends(mu)[1] <= 1e-5
    *_, leaps = mu.likelihood_of(None, None)
    if leaps:
        x = torch.linspace(-1.0, 1.6, 9, dtype=torch.float64)[:, None]
        found = mu.log_prob({"x": x})
        torch.testing.assert_close(found, clusters(p, 0.0).log_prob(x[:, 0]), atol=1e-3, rtol=0)


class Wrong(ExactMixture):
    """The exact prediction, and an error that a trained network might make."""

    def __init__(self, path, predicts, size, wave):
        super().__init__(path, predicts)
        self.size, self.wave = size, wave

    def forward(self, x_t, t, condition):
        return super().forward(x_t, t, condition) + self.size * torch.sin(self.wave * x_t)


@pytest.mark.parametrize("name", ["Linear", "Circle"])
def test_errors_of_a_network_are_not_enlarged_near_pure_noise(name):
    """A step near pure noise divides them by alpha: the usual ones are short there, so that shorter ones say the same."""
    p = path(name)
    mu = pr.Diffusion("x", Wrong(p, "noise", 0.02, 5), path=p, predicts="noise")
    x = {"x": torch.linspace(-1.0, 1.6, 10, dtype=torch.float64)[:, None]}
    adaptive = mu.log_prob(x, solver=pr.solvers.Adaptive(rtol=1e-4, atol=1e-4))
    torch.testing.assert_close(mu.log_prob(x), adaptive, atol=0.1, rtol=0)
    for solver in (None, pr.solvers.Adaptive(rtol=1e-4, atol=1e-4)):  # z^2 = 1: in one dimension a probe errs nowhere
        one = mu.log_prob(x, probes=1, solver=solver)
        torch.testing.assert_close(one, mu.log_prob(x, solver=solver), atol=1e-6, rtol=0)


@pytest.mark.parametrize("probes", [None, 1])
def test_the_density_of_a_network_that_errs_integrates_to_one(probes):
    """Its last step to pure noise changes volumes too, by what an exact network hardly shows."""
    p = pr.paths.GVP()
    mu = pr.Diffusion("x", Wrong(p, "noise", 0.1, 1), path=p)
    x = torch.linspace(-8, 8, 401, dtype=torch.float64)
    for solver in (None, pr.solvers.Adaptive(rtol=1e-4, atol=1e-4)):
        density = mu.log_prob({"x": x[:, None]}, probes=probes, solver=solver).exp()
        assert float(torch.trapezoid(density, x)) == pytest.approx(1, abs=0.01)


def test_a_path_that_is_noise_at_its_end_alone_has_a_finite_density():
    p = pr.paths.GaussianPath((1 - pr.paths.t) ** sympy.Rational(1, 8), pr.paths.t)
    mu = pr.Diffusion("x", ExactMixture(p, "noise"), path=p)
    assert mu.log_prob({"x": torch.zeros(2, 1, dtype=torch.float64)}).isfinite().all()


@pytest.mark.parametrize("alpha", [sympy.sqrt(1 - pr.paths.t**2), (1 - pr.paths.t) ** 3, 1 - pr.paths.t], ids=str)
def test_default_steps_are_enough_for_paths_of_any_speed(alpha):
    p = pr.paths.GaussianPath(alpha, 3 * pr.paths.t if alpha.is_polynomial() else pr.paths.t)
    mu = pr.Diffusion("x", ExactMixture(p, "noise"), path=p)
    x = torch.linspace(-1.6, 2.2, 40, dtype=torch.float64)[:, None]
    torch.testing.assert_close(mu.log_prob({"x": x}), clusters(p, 0.0).log_prob(x[:, 0]), atol=1e-3, rtol=0)


def test_densities_go_from_data_to_noise():
    mu = pr.Flow("x", TimeMLP(2, hidden=(8,)))
    for solver in (None, pr.solvers.Adaptive()):
        with pytest.raises(pr.errors.DataError, match="from data to noise, so the times rise"):
            mu.log_prob({"x": torch.zeros(2, 2)}, grid=[1.0, 0.5, 0.0], solver=solver)
    with pytest.raises(pr.errors.ExpressionError, match=r"log_prob\(\{'x': tensor\}\)"):
        mu.log_prob(torch.zeros(2, 2))


def test_an_option_that_there_is_not_is_refused():
    mu = pr.Flow("x", TimeMLP(2, hidden=(8,)))
    with pytest.raises(
        pr.errors.ExpressionError, match=r"exakt=.*no such option; there are exact, probes, solver, grid"
    ):
        mu.log_prob({"x": torch.zeros(2, 2)}, exakt=True)


def test_exact_or_by_probes():
    mu, x = pr.Flow("x", TimeMLP(2, hidden=(8,))), {"x": torch.zeros(3, 2)}
    for wrong in ({"exact": True, "probes": 2}, {"probes": 0}):
        with pytest.raises(pr.errors.ExpressionError, match="probes"):
            mu.log_prob(x, **wrong)

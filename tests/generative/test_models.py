"""Generative models: what is asked of them agrees with what is known, in formulas and on tensors."""

import math

import pytest
import torch

import probrl as pr
from probrl.errors import DataError, ExpressionError
from probrl.networks import TimeMLP
from tests.generative.exact import ExactNormal, normal
from tests.paths.families import SHIPPED
from tests.paths.families import path as path_of

P, S = pr.paths, pr.solvers
FAMILIES = [pr.Diffusion, pr.Flow]


def small(family=pr.Diffusion, **options):
    torch.manual_seed(0)
    return family("a | s", TimeMLP(2, condition=3, hidden=(16,)), name=r"\mu", **options)


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return {"s": torch.randn(6, 3), "a": torch.randn(6, 2)}


s, a = pr.symbols("s a")


# --- matching ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("predicts", ["noise", "score", "data", "velocity", "F"])
def test_matching_is_the_weighted_error_by_hand(family, predicts, batch):
    mu = small(family, predicts=predicts)
    t, e = torch.linspace(0.1, 0.9, 6), torch.randn(6, 2)
    loss = mu(s).matching(a, t=pr.symbols("t"), noise=pr.symbols("e"))
    found = loss({**batch, "t": t, "e": e})
    x_t = mu.path.perturb(batch["a"], e, t)
    said = mu.net(x_t, t, batch["s"])
    kind = {pr.Diffusion: "noise", pr.Flow: "velocity"}[family]
    converted = mu.path.convert(said, x_t, t, source=predicts, target=kind)
    by_hand = (converted - mu.path.target(kind, batch["a"], e, t)).square().sum(1)
    torch.testing.assert_close(found, by_hand, rtol=2e-4, atol=1e-4)


@pytest.mark.parametrize("weight", ["noise", "velocity", "data", "F", "likelihood", "min_snr"])
@pytest.mark.parametrize("law", ["uniform", "likelihood", "logit_normal", "edm", "arcsine"])
def test_every_weight_and_every_law_of_times_is_checked(weight, law, batch):
    loss = pr.mean(small()(s).matching(a, weight=weight, law=law))
    loss.check(batch)
    assert math.isfinite(float(loss(batch).detach()))


def test_importance_sampling_of_times_is_unbiased():
    """The likelihood's loss by uniform times, and by times uniform in the log-SNR, has the same expectation."""
    mean, covariance = normal(1)
    path = P.Linear()
    mu = pr.Diffusion("x", ExactNormal(path, "noise", mean + 0.5, covariance), path=path)
    object.__setattr__(mu, "trained", (0.05, 0.95))
    x = pr.symbols("x")
    data = {"x": (mean + covariance.sqrt() * torch.randn(40_000, 1))}
    values = [mu.matching(x, weight="likelihood", law=law)(data) for law in ("uniform", "likelihood")]
    (first, second), spread = (v.mean() for v in values), max(v.std() for v in values) / 200
    assert abs(first - second) < 5 * spread
    assert values[1].std() < values[0].std()


def test_weights_by_an_advantage_reach_every_row(batch):
    mu, A = small(), pr.symbols("A")
    loss = pr.mean(pr.exp(A) * mu(s).matching(a, t=pr.symbols("t"), noise=pr.symbols("e")))
    rest = {**batch, "t": torch.full((6,), 0.5), "e": torch.randn(6, 2)}
    plain = mu(s).matching(a, t=pr.symbols("t"), noise=pr.symbols("e"))(rest)
    weights = torch.linspace(-1, 1, 6)
    torch.testing.assert_close(loss({**rest, "A": weights}), (weights.exp() * plain).mean())


def test_dropped_conditions_are_zeros(batch):
    mu = small(drop=0.999999)
    fixed = {"t": pr.symbols("t"), "noise": pr.symbols("e")}
    rest = {**batch, "t": torch.full((6,), 0.5), "e": torch.randn(6, 2)}
    dropped = mu(s).matching(a, **fixed)(rest)
    torch.testing.assert_close(dropped, small()(s).matching(a, **fixed)({**rest, "s": torch.zeros(6, 3)}))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_it_trains(backend, batch):
    mu = small()
    update = pr.Minimize(pr.mean(mu(s).matching(a)), wrt=mu, optimizer=pr.Adam(1e-2)).compile(backend=backend, seed=0)
    losses = [float(update(batch)["loss"]) for _ in range(40)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


# --- predictions ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("quantity", ["score", "noise", "data", "velocity"])
def test_predictions_are_conversions_of_the_network(quantity, batch):
    mu = small()
    x_t, t = pr.symbols("x_t t")
    rest = {**batch, "x_t": torch.randn(6, 2), "t": torch.linspace(0.2, 0.8, 6)}
    found = getattr(mu(s), quantity)(x_t, t)(rest)
    said = mu.net(rest["x_t"], rest["t"], batch["s"])
    torch.testing.assert_close(found, mu.path.convert(said, rest["x_t"], rest["t"], source="noise", target=quantity))


# --- draws ---------------------------------------------------------------------------------------------------------
SOLVERS = [S.Euler(3), S.Heun(3), S.RK4(2), S.DDIM(3), S.DPM(4), S.DPM(3, degree=3, multistep=False)]


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda x: x.said)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_draw_as_a_formula_is_a_sample_on_tensors(family, solver, batch):
    mu, z = small(family), torch.randn(6, 2)
    formula = mu(s).draw(start=pr.symbols("z"), solver=solver)
    found = formula({**batch, "z": z})
    sample = mu.sample({"s": batch["s"]}, start=z, solver=solver)["a"]
    torch.testing.assert_close(found.detach(), sample, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", [S.EulerMaruyama(3), S.StochasticHeun(3), S.DDIM(3, eta=1.0)], ids=lambda x: x.said)
def test_gradients_pass_through_draws(solver, batch):
    mu = small()
    mu(s).draw(solver=solver)(batch).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in mu.parameters())


@pytest.mark.parametrize("solver", [S.Euler(30), S.Heun(20), S.RK4(10)], ids=lambda s: s.said)
def test_a_long_flow_prints_a_line_a_step(solver, foreign_commands):
    """The states of a flow from a start have letters: without, each step would print all before it twice."""
    v, z = pr.Flow("a | s", TimeMLP(2, condition=3, hidden=(4,))), pr.symbols("z")
    loss = pr.mean(pr.sqnorm(v(s).draw(start=z, solver=solver)))
    for page in (loss.latex(), loss.latex(expand=True)):
        assert foreign_commands(page) == [] and len(page) < 600 * solver.steps
        assert sum(line.startswith(("x_", "\\text{where}\\quad x_")) for line in page.splitlines()) == solver.steps - 1
    loss.check({"s": torch.randn(4, 3), "z": torch.randn(4, 2)})


def test_draws_along_an_axis(batch):
    found = small()(s).draw(5, "k", steps=2)(batch)
    assert found.shape == (6, 5, 2)
    assert not torch.equal(found[:, 0], found[:, 1])


def test_conditions_keep_their_order(batch):
    mu = small()
    drawn = mu.sample({"s": batch["s"]}, n=3, generator=torch.Generator().manual_seed(0))
    assert drawn["a"].shape == (18, 2)
    assert torch.equal(drawn["s"], batch["s"].repeat_interleave(3, 0))


def test_trajectories_hold_every_time(batch):
    z = torch.randn(6, 2)
    found = small().sample({"s": batch["s"]}, start=z, steps=5, trajectory=True)["a"]
    assert found.shape == (6, 6, 2) and torch.equal(found[0], z)


def test_known_coordinates_are_kept():
    mean, covariance = normal(3)
    path = P.LinearVP()
    mu = pr.Diffusion("x", ExactNormal(path, "noise", mean, covariance), path=path, solver=S.DPM(20))
    mask, value = torch.tensor([True, False, False]), torch.full((500, 3), 1.7)
    x = mu.sample(n=500, known=(mask, value))["x"]
    assert torch.equal(x[:, 0], value[:, 0]) and not torch.equal(x[:, 1], value[:, 1])
    slope = covariance[0, 1] / covariance[0, 0]  # the others follow the known one in the mean
    assert float(x[:, 1].mean()) > float(mean[1]) + 0.3 * float(slope * (1.7 - mean[0]))


# --- chains --------------------------------------------------------------------------------------------------------
STOCHASTIC = [v for c in (S.EulerMaruyama, S.StochasticHeun, S.DDIM) for v in c.examples() if v.stochastic]


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("solver", STOCHASTIC, ids=lambda x: x.said)
def test_the_ratio_of_a_chain_at_equal_weights_is_one(name, solver, batch):
    mu = small(path=path_of(name), solver=solver)
    x, x_next = pr.symbols("x x_next", rank=1, axes="k")
    k = pr.index("k")
    new, old = (p(s).kernel(x, k).log_prob(x_next) for p in (mu, mu.old))
    states = mu.sample({"s": batch["s"]}, trajectory=True)["a"].transpose(0, 1)
    chain = {"s": batch["s"], "x": states[:, :-1], "x_next": states[:, 1:]}
    ratio = pr.exp(new - old)(chain)
    scale = torch.as_tensor(solver.scheme(mu.path, mu.grid(mu.times(solver))).scale)
    drawn = scale > 0  # a last step may add no noise, so that there is no density to compare
    assert bool(drawn[:-1].all()) and ratio.shape == (6, solver.steps)
    assert bool((ratio[:, drawn] == 1).all()) and bool(new(chain)[:, drawn].isfinite().all())


@pytest.mark.parametrize("solver", [S.EulerMaruyama(4), S.DDIM(4, eta=0.5)], ids=lambda x: x.said)
def test_a_step_of_the_sampler_is_a_draw_from_its_kernel(solver, batch):
    """The kernel's mean and scale are what the sampler's next state is made of."""
    mu = small(solver=solver)
    z = torch.randn(6, 2)
    states = mu.sample({"s": batch["s"]}, start=z, trajectory=True, generator=torch.Generator().manual_seed(3))["a"]
    generator = torch.Generator().manual_seed(3)
    x = pr.symbols("x", rank=1)
    for k in range(4):
        kernel = mu(s).kernel(x, k)
        row = {"s": batch["s"], "x": states[k]}
        loc, scale = kernel.mean()(row).detach(), torch.as_tensor(kernel.variance()(row)).detach().sqrt()
        noise = torch.randn(6, 2, generator=generator) if float(scale.max()) else 0.0
        torch.testing.assert_close(states[k + 1], loc + scale * noise, rtol=1e-4, atol=1e-4)


def test_the_chain_is_aligned(batch):
    mu = small(solver=S.EulerMaruyama(4))
    chain = mu(s).chain()
    values = {name: getattr(chain, name) for name in ("x", "x_next", "drift", "scale", "t", "t_next", "x_end")}
    together = pr.graph.function.Function(values)(batch)
    x, x_next = together["x"], together["x_next"]
    axis = 0 if x.shape[0] == 4 else 1
    torch.testing.assert_close(x.narrow(axis, 1, 3), x_next.narrow(axis, 0, 3))
    torch.testing.assert_close(x_next.select(axis, 3), together["x_end"])


# --- likelihood ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize("path", [P.Linear(), P.GVP()], ids=lambda p: type(p).__name__)
def test_log_prob_is_the_closed_form(path, dimension):
    mean, covariance = normal(dimension)
    mu = pr.Flow("x", ExactNormal(path, "velocity", mean, covariance), path=path)
    true = torch.distributions.MultivariateNormal(mean, covariance)
    x = true.sample((20,))
    torch.testing.assert_close(mu.log_prob({"x": x}, exact=True), true.log_prob(x), atol=1e-3, rtol=0)


def test_hutchinson_is_unbiased_and_repeats_along_a_trajectory(batch):
    mu = small(pr.Flow)
    options = {"solver": S.RK4(4)}
    exact = mu.log_prob(batch, exact=True, **options)
    estimates = torch.stack([mu.log_prob(batch, exact=False, probes=64, **options) for _ in range(8)])
    error = estimates.std(0) / math.sqrt(8)
    assert bool(((estimates.mean(0) - exact).abs() < 5 * error + 1e-4).all())


def test_gradients_of_a_log_prob_agree_with_finite_differences(batch):
    mu = small(pr.Flow).double()
    data = {k: v.double() for k, v in batch.items()}
    options = {"solver": S.RK4(3), "exact": True}
    data["a"].requires_grad_()
    mu.log_prob(data, **options).sum().backward()
    weight = next(mu.parameters())
    with torch.no_grad():
        for tensor, gradient in ((data["a"], data["a"].grad), (weight, weight.grad)):
            where = (1, 1)
            step = 1e-5
            values = []
            for sign in (1, -1):
                tensor[where] += sign * step
                values.append(float(mu.log_prob(data, **options).sum()))
                tensor[where] -= sign * step
            assert float(gradient[where]) == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-6)


def test_bits_per_dimension_and_entropy():
    mean, covariance = normal(1)
    path = P.Linear()
    mu = pr.Flow("x", ExactNormal(path, "velocity", mean, covariance), path=path, solver=S.Heun(20))
    x = mean + 0.3 * torch.randn(200, 1)
    truth = -torch.distributions.Normal(1.0, 0.3).log_prob(x)[:, 0] / math.log(2)
    torch.testing.assert_close(mu.bits_per_dimension({"x": x}), truth, atol=2e-3, rtol=0)
    assert float(mu.get_entropy({}, samples=400)) == pytest.approx(0.5 * math.log(2 * math.pi * math.e * 0.09), abs=0.2)


# --- several variables, images, dicts ------------------------------------------------------------------------------
class Several(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.u, self.w = torch.nn.Linear(2 + 1 + 3, 2), torch.nn.Linear(12 + 1 + 3, 12)

    def forward(self, x, t, condition):
        rest = [t[:, None], condition]
        return {
            "u": self.u(torch.cat([x["u"], *rest], 1)),
            "w": self.w(torch.cat([x["w"].flatten(1), *rest], 1)).view(-1, 3, 2, 2),
        }


def test_several_variables_are_one_state():
    torch.manual_seed(0)
    mu = pr.Diffusion("u, w | s", Several(), event_shape={"u": (2,), "w": (3, 2, 2)}, name="m")
    u, w = pr.symbols("u w")
    batch = {"s": torch.randn(5, 3), "u": torch.randn(5, 2), "w": torch.randn(5, 3, 2, 2)}
    loss = pr.mean(mu(s).matching(u, w))
    loss.check(batch)
    drawn = mu.sample({"s": batch["s"]}, n=2)
    assert drawn["u"].shape == (10, 2) and drawn["w"].shape == (10, 3, 2, 2)
    first, second = mu(s).draw(steps=2)
    assert first(batch).shape == (5, 2) and second(batch).shape == (5, 3, 2, 2)
    assert mu.log_prob(batch, exact=False, probes=1, solver=S.RK4(2)).shape == (5,)


def test_images():
    torch.manual_seed(0)
    net = TimeMLP((1, 4, 4), hidden=(8,))
    v = pr.Flow("x", net, event_shape=(1, 4, 4))
    x = pr.symbols("x")
    batch = {"x": torch.randn(3, 1, 4, 4)}
    pr.mean(v.matching(x)).check(batch)
    assert v.sample(n=4)["x"].shape == (4, 1, 4, 4)
    exact, other = (v.log_prob(batch, exact=e, solver=S.RK4(2)) for e in (True, False))
    assert exact.shape == other.shape == (3,)


class OfDicts(torch.nn.Module):
    event_shape = (2,)

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(2 + 1 + 4, 2)

    def forward(self, x, t, condition):
        return self.line(torch.cat([x, t[:, None], condition["p"], condition["q"]["r"]], 1))


def test_conditions_may_be_nested_dicts():
    torch.manual_seed(0)
    mu = pr.Diffusion("a | o", OfDicts(), drop=0.5)
    o = pr.symbols("o")
    batch = {"o": {"p": torch.randn(4, 3), "q": {"r": torch.randn(4, 1)}}, "a": torch.randn(4, 2)}
    assert float(pr.Minimize(pr.mean(mu(o).matching(a)), wrt=mu).compile(backend="eager")(batch)["finite"]) == 1
    assert mu.sample({"o": batch["o"]}, n=3)["a"].shape == (12, 2)


# --- what is refused -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wrong", "kind", "pattern"),
    [
        (lambda mu, b: mu.sample({"s": b["s"]}, steps=0), DataError, "steps"),
        (lambda mu, b: mu.sample({}), DataError, "condition 's'"),
        (lambda mu, b: mu.sample({"s": b["s"]}, grid=[1.2, 0.0]), DataError, "grid"),
        (lambda mu, b: mu.sample({"s": b["s"]}, start=torch.zeros(5, 2)), DataError, "start"),
        (lambda mu, b: mu.log_prob({"a": b["a"][:4], "s": b["s"]}), DataError, "row|length|'a'"),
        (lambda mu, b: mu(s).kernel(a, 0), ExpressionError, "adds no noise"),
        (lambda mu, b: mu(s).matching(a, law="often"), ExpressionError, "law"),
        (lambda mu, b: mu(s).log_prob(a, divergence=0), ExpressionError, "probes"),
        (lambda mu, b: mu(s).log_prob(a, solver=S.DPM(3)), ExpressionError, "Runge-Kutta"),
        (lambda mu, b: mu(s).entropy(), ExpressionError, "entropy"),
        (lambda mu, b: small(predicts="nose"), ExpressionError, "predicts"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(wrong, kind, pattern, batch):
    with pytest.raises(kind, match=pattern):
        wrong(small(), batch)


def test_a_network_of_another_shape_is_refused(batch):
    class Wrong(torch.nn.Module):
        event_shape = (2,)

        def forward(self, x, t, condition):
            return x[:, :1]

    with pytest.raises(DataError, match=r"Wrong gave \(6, 1\)"):
        pr.Diffusion("a | s", Wrong()).sample({"s": batch["s"]})

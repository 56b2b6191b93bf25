"""Bridges: from samples to samples, and from noise to data, by the process and by the flow."""

import math

import pytest
import torch

import probrl as pr
from probrl.data.entropic import entropic_coupling
from probrl.errors import DataError, ExpressionError
from probrl.networks import TimeMLP

S = pr.solvers


class Exact(torch.nn.Module):
    """The optimal pair of predictions between two normal distributions on a line, with a covariance of their ends."""

    event_shape = (1,)

    def __init__(self, data, start, sigma, predicts="displacement", covariance=0.0):
        super().__init__()
        self.data, self.start, self.sigma, self.predicts, self.covariance = data, start, sigma, predicts, covariance

    def variance(self, t):
        (_, s), (_, s_1) = self.data, self.start
        between = 2 * t * (1 - t) * self.covariance
        return ((1 - t) * s) ** 2 + (t * s_1) ** 2 + between + self.sigma**2 * t * (1 - t)

    def forward(self, x, t, condition):
        (m, s), (m_1, s_1) = self.data, self.start
        t = t[:, None].double()
        root = (t * (1 - t)).clamp_min(1e-30).sqrt()
        y = (x - (1 - t) * m - t * m_1) / self.variance(t)
        w = m_1 - m + (t * (s_1**2 - self.covariance) - (1 - t) * (s**2 - self.covariance)) * y
        e = self.sigma * root * y
        if self.predicts == "velocity":
            w, e = w + self.sigma * (1 - 2 * t) / (2 * root) * e, -y
        return w.to(x.dtype), e.to(x.dtype)


SOLVERS = [S.EulerMaruyama(50), S.EulerMaruyama(50, noise=0.5), S.StochasticHeun(30), S.Heun(30), S.Euler(50), S.RK4(20),
           S.Adaptive()]  # fmt: skip


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda x: x.said)
@pytest.mark.parametrize("predicts", ["displacement", "velocity"])
def test_samples_of_one_end_become_samples_of_the_other(predicts, solver):
    torch.manual_seed(0)
    b = pr.Bridge("x", Exact((1.0, 0.3), (-2.0, 0.8), 0.7, predicts), sigma=0.7, predicts=predicts)
    x = b.sample(start=-2 + 0.8 * torch.randn(20_000, 1), solver=solver)["x"]
    assert float(x.mean()) == pytest.approx(1.0, abs=0.015) and float(x.std()) == pytest.approx(0.3, rel=0.04)


@pytest.mark.parametrize("solver", [None, S.EulerMaruyama(40), S.StochasticHeun(20), S.Heun(10), S.RK4(6)], ids=str)
def test_data_that_are_finer_than_a_step_stay_so(solver):
    torch.manual_seed(0)
    b = pr.Bridge("x", Exact((1.0, 0.03), (0.0, 1.0), 1.0))
    x = b.sample(n=4000, solver=solver)["x"]
    assert float(x.mean()) == pytest.approx(1.0, abs=0.01) and float(x.std()) < 0.1


def plan(s, s_1, sigma):
    """The covariance of the ends of the Schroedinger bridge between normal distributions on a line."""
    return (math.sqrt(4 * (s * s_1) ** 2 + sigma**4) - sigma**2) / 2


@pytest.mark.parametrize("solver", [S.EulerMaruyama(60), S.Heun(20)], ids=lambda x: x.said)
def test_a_schroedinger_bridge_has_its_marginals_at_all_times_and_its_plan(solver):
    torch.manual_seed(0)
    c = plan(0.5, 0.8, 0.9)
    net = Exact((1.0, 0.5), (-1.0, 0.8), 0.9, covariance=c)
    b, start = pr.Bridge("x", net, sigma=0.9), -1 + 0.8 * torch.randn(20_000, 1)
    states = b.sample(start=start, solver=solver, trajectory=True)["x"][:, :, 0]
    for state, t in zip(states, b.times(solver), strict=True):
        assert float(state.mean()) == pytest.approx(1 - 2 * t, abs=0.03)
        assert float(state.std()) == pytest.approx(float(net.variance(torch.tensor(t))) ** 0.5, rel=0.03)
    found = float(torch.cov(torch.stack([states[0], states[-1]]))[0, 1])
    assert found == pytest.approx(c if solver.stochastic else 0.5 * 0.8, abs=0.02)  # the flow has no noise to forget by


def test_the_entropic_coupling_of_normal_samples_is_the_plan_in_closed_form():
    torch.manual_seed(0)
    found = []
    for _ in range(8):
        left, right = 0.5 * torch.randn(256, 1), 0.8 * torch.randn(256, 1)
        drawn = right[entropic_coupling(left, right, torch.rand(256), 2 * 0.9**2)]
        found.append(float(torch.cov(torch.cat([left, drawn], 1).T)[0, 1]))
    assert sum(found) / 8 == pytest.approx(plan(0.5, 0.8, 0.9), abs=0.03)


@pytest.mark.parametrize("predicts", ["displacement", "velocity"])
def test_from_noise_the_likelihood_is_the_closed_form(predicts):
    b = pr.Bridge("x", Exact((1.0, 0.3), (0.0, 1.0), 0.7, predicts), sigma=0.7, predicts=predicts)
    x = 1 + 0.3 * torch.randn(20, 1)
    truth = torch.distributions.Normal(1.0, 0.3).log_prob(x)[:, 0]
    torch.testing.assert_close(b.log_prob({"x": x}, exact=True), truth, atol=1e-3, rtol=0)


@pytest.mark.parametrize("quantity", ["velocity", "score", "noise", "data"])
def test_both_kinds_of_predictions_say_the_same(quantity):
    x_t, t = pr.symbols("x_t t")
    rows = {"x_t": torch.randn(6, 1), "t": torch.linspace(0.1, 0.9, 6)}
    found = [
        getattr(pr.Bridge("x", Exact((1.0, 0.3), (-2.0, 0.8), 0.7, p), sigma=0.7, predicts=p), quantity)(x_t, t)(rows)
        for p in ("displacement", "velocity")
    ]
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)


def small(**options):
    torch.manual_seed(0)
    return pr.Bridge("x", TimeMLP(2, hidden=(16,)), TimeMLP(2, hidden=(16,)), sigma=0.5, **options)


x, y = pr.symbols("x y")


@pytest.mark.parametrize("predicts", ["displacement", "velocity"])
@pytest.mark.parametrize("coupling", ["entropic", "ot", "independent", lambda x, y: y])
def test_matching_prints_checks_and_trains(coupling, predicts, foreign_commands):
    torch.manual_seed(0)
    b, batch = small(coupling=coupling, predicts=predicts), {"x": torch.randn(32, 2) + 2, "y": torch.randn(32, 2)}
    loss = pr.mean(b.matching(x, start=y))
    loss.check(batch)
    assert foreign_commands(loss.latex()) == []
    update = pr.Minimize(loss, wrt=b, optimizer=pr.Adam(1e-2)).compile(backend="eager", seed=0)
    losses = [float(update(batch)["loss"]) for _ in range(30)]
    assert sum(losses[-8:]) < 0.8 * sum(losses[:8])


@pytest.mark.parametrize("coupling", ["entropic", "ot"])
def test_a_coupling_is_an_operation_of_compiled_code(coupling):
    found = []
    for backend in ("eager", "aot_eager"):
        torch.manual_seed(0)
        b, batch = small(coupling=coupling), {"x": torch.randn(16, 2) + 2}
        update = pr.Minimize(pr.mean(b.matching(x)), wrt=b, optimizer=pr.Adam(1e-2)).compile(backend=backend, seed=0)
        found.append([float(update(batch)["loss"]) for _ in range(3)])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.parametrize("coupling", ["entropic", "ot"])
def test_beside_each_condition_the_start_is_any_start(coupling):
    """Coupled over all conditions, the start of a condition would be what lies near its data, and not what is sampled."""
    torch.manual_seed(0)
    told = pr.Bridge("x | c", lambda x, t, c: (0 * x, 0 * x), event_shape=(1,), coupling=coupling)
    c = pr.symbols("c")
    kind = torch.arange(2).repeat(200).float()[:, None]
    batch = {"x": 6 * kind - 3 + 0.1 * torch.randn(400, 1), "c": kind, "y": torch.randn(400, 1)}
    error = told(c).matching(x, start=y, t=0.5 + 0 * pr.symbols("u"), noise=0 * x)({**batch, "u": torch.zeros(400)})
    moved = error.sqrt()  # |start - x|, and the start lies between the data of both conditions
    for k, side in ((0, 3.0), (1, 3.0)):
        assert float(moved[kind[:, 0] == k].mean()) == pytest.approx(side, abs=0.25)


def test_it_is_trained_at_times_of_the_density_of_its_velocity():
    torch.manual_seed(0)
    flat = pr.Bridge("x", lambda x, t: (t * x, 0 * x), event_shape=(1,), coupling="independent")
    zeros = {"x": torch.zeros(4000, 1), "y": torch.zeros(4000, 1)}
    t = (flat.matching(x, start=y, noise=1 + 0 * x)(zeros) - 1).clamp(min=0).sqrt()  # t times root t(1 - t)
    u = torch.rand(4000)
    drawn = 0.5 - 0.5 * (torch.pi * u).cos()
    truth = drawn * (drawn * (1 - drawn)).sqrt()
    levels = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])
    torch.testing.assert_close(t.quantile(levels), truth.quantile(levels), atol=0.02, rtol=0)


@pytest.mark.parametrize("predicts", ["displacement", "velocity"])
def test_its_page_names_what_it_is_made_of(predicts):
    """The time, the start and the point between them have letters of their own, and no line repeats them."""
    bridge = pr.Bridge(
        "x | c", TimeMLP(2, condition=1), TimeMLP(2, condition=1), sigma=0.5, law="arcsine", predicts=predicts
    )
    x, y, c = pr.symbols("x y c")
    page = pr.mean(bridge(c).matching(x, start=y)).latex()
    assert max(map(len, page.splitlines())) < 200
    for line in (
        r"x_1 & = \operatorname{entropic}(x, y, ",
        r"\cos(\pi\, ",
        r"x_t & = (1 - t)\, x + t\, x_1 + \sigma\, \sqrt{t\, (1 - t)}",
    ):
        assert line in page


def test_matching_is_the_error_by_hand():
    b, t, e = small(coupling="independent"), torch.linspace(0.1, 0.9, 6), torch.randn(6, 2)
    batch = {"x": torch.randn(6, 2), "y": torch.randn(6, 2), "t": t, "e": e}
    found = b.matching(x, start=y, t=pr.symbols("t"), noise=pr.symbols("e"))(batch)
    x_t = (1 - t)[:, None] * batch["x"] + t[:, None] * batch["y"] + 0.5 * (t * (1 - t)).sqrt()[:, None] * e
    w, noise = b.net(x_t, t)
    by_hand = (w - (batch["y"] - batch["x"])).square().sum(1) + (noise - e).square().sum(1)
    torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-4)


def test_a_draw_as_a_formula_is_a_sample_on_tensors():
    b, z = small(), torch.randn(6, 2)
    found = b.draw(start=pr.symbols("z"), solver=S.Heun(3))({"z": z})
    torch.testing.assert_close(found.detach(), b.sample(start=z, solver=S.Heun(3))["x"], rtol=1e-4, atol=1e-4)


def test_the_ratio_of_its_chain_at_equal_weights_is_one():
    b = small(solver=S.EulerMaruyama(4))
    states = b.sample(n=6, trajectory=True)["x"].transpose(0, 1)
    u, u_next = pr.symbols("u u_next", rank=1, axes=pr.Axis("k", data=False))
    k = pr.index("k")
    new, old = (p.applied(()).kernel(u, k).log_prob(u_next) for p in (b, b.old))
    ratio = pr.exp(new - old)({"u": states[:, :-1], "u_next": states[:, 1:]})
    assert bool((ratio == 1).all())


def test_images_and_one_network_for_both():
    class Both(torch.nn.Module):
        event_shape = (1, 4, 4)

        def __init__(self):
            super().__init__()
            self.one, self.two = TimeMLP((1, 4, 4), hidden=(8,)), TimeMLP((1, 4, 4), hidden=(8,))

        def forward(self, x, t, condition):
            return self.one(x, t), self.two(x, t)

    b = pr.Bridge("x", Both())
    assert b.sample(n=3)["x"].shape == (3, 1, 4, 4)
    assert b.log_prob({"x": torch.randn(3, 1, 4, 4)}, exact=False, probes=1, solver=S.RK4(2)).shape == (3,)


@pytest.mark.parametrize(
    ("wrong", "kind", "pattern"),
    [
        (lambda b: b.sample(n=2, solver=S.DPM(3)), ExpressionError, "DPM 3 .* a bridge"),
        (lambda b: b.sample(n=2, solver=S.DDIM(3)), ExpressionError, "DDIM 3 .* a bridge"),
        (lambda b: b.sample(n=2, solver=S.Heun(3, grid="log_snr")), ExpressionError, "no signal-to-noise ratio"),
        (lambda b: b.sample(start=torch.zeros(2, 3)), DataError, "start"),
        (lambda b: entropic_coupling(torch.full((2, 1), math.nan), torch.zeros(2, 1), torch.rand(2), 1.0), DataError, "NaN"),
        (lambda b: small(sigma_=1), TypeError, "sigma_"),
        (lambda b: small(predicts="data"), ExpressionError, "displacement"),
        (lambda b: small(coupling="optimal").matching(x), ExpressionError, "coupling='optimal'"),
        (lambda b: pr.Bridge("x", TimeMLP(2), sigma=0.0), ExpressionError, "positive"),
        (lambda b: pr.Bridge("x", TimeMLP(2)).sample(n=2), DataError, "two predictions"),
        (lambda b: pr.Bridge("x, y", None), ExpressionError, "one variable"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(wrong, kind, pattern):
    with pytest.raises(kind, match=pattern):
        wrong(small())


def test_the_entropic_plan_has_its_marginals_and_goes_from_optimal_to_independent():
    torch.manual_seed(0)
    left, right = torch.randn(200, 1), torch.randn(200, 1) + 1
    cost = lambda epsilon: float(  # noqa: E731
        (left - right[entropic_coupling(left, right, torch.rand(200), epsilon)]).square().mean()
    )
    best = float((left.sort(0)[0] - right.sort(0)[0]).square().mean())
    assert cost(0.05) == pytest.approx(best, abs=0.15)
    assert cost(100.0) == pytest.approx(float((left - right.T).square().mean()), rel=0.2)
    drawn = torch.cat([right[entropic_coupling(left, right, torch.rand(200), 0.5)] for _ in range(20)])
    assert float(drawn.mean()) == pytest.approx(float(right.mean()), abs=0.05)

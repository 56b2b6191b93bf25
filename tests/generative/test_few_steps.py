"""Consistency models and MeanFlow: against what is exact for normal data, and what they cannot say."""

import math

import pytest
import torch
from torch import nn

import probrl as pr
from probrl.errors import ExpressionError
from probrl.networks import TimeMLP
from tests.generative.exact import ExactNormal

P, S = pr.paths, pr.solvers
x, c = pr.symbols("x c")
PATHS = [P.EDM(), P.Linear(), P.LinearVP(), P.GVP()]


def named(path):
    return type(path).__name__


class EndOfTheFlow(nn.Module):
    """F of the exact consistency function for N(mean, spread^2): the flow keeps the quantile."""

    event_shape = (1,)

    def __init__(self, path, mean, spread):
        super().__init__()
        self.path, self.mean, self.spread = path, mean, spread
        self.model = None

    def forward(self, x, t, condition):
        t = t[:, None].double()
        x = x.double() / self.model.c_in_of(t)
        a, s = self.path.alpha(t), self.path.sigma(t)
        a_0, s_0 = self.path.alpha(0.0), self.path.sigma(0.0)
        scale = ((a_0 * self.spread) ** 2 + s_0**2) ** 0.5 / ((a * self.spread) ** 2 + s**2).sqrt()
        end = a_0 * self.mean + scale * (x - a * self.mean)
        d = self.path.sigma_data
        ahead = s - s_0
        skip, out = a * d**2 / (ahead**2 + (d * a) ** 2), d * ahead / (s**2 + (d * a) ** 2).sqrt()
        return torch.where(out > 1e-9, (end - skip * x) / out.clamp_min(1e-9), 0.0)


def exact(path):
    net = EndOfTheFlow(path, 1.0, 0.3)
    f = pr.ConsistencyModel("x", net, path=path)
    d = path.sigma_data
    object.__setattr__(net, "model", type("M", (), {
        "c_in_of": staticmethod(lambda t: 1 / (path.sigma(t) ** 2 + d**2 * path.alpha(t) ** 2).sqrt())}))  # fmt: skip
    return f


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("path", PATHS, ids=named)
def test_jumps_reach_the_data_from_the_exact_function(path, steps):
    torch.manual_seed(0)
    drawn = exact(path).sample(n=8_000, steps=steps)["x"]
    assert float(drawn.mean()) == pytest.approx(1.0, abs=0.02) and float(drawn.std()) == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_it_prints_as_its_paper_does(path):
    f = pr.ConsistencyModel("x | s", TimeMLP(2, condition=3, hidden=(4,)), path=path, name="f")
    x, s = pr.symbols("x s")
    page = pr.mean(f(s).matching(x)).latex()
    for word in (r"c_{\mathrm{skip}}(t)\, x_t", r"t & = \tau(k)", r"t' & = \tau(k + 1)", r"x_{t'} & ="):
        assert word in page
    assert "000000" not in page and "another of that name" not in page


@pytest.mark.parametrize("path", PATHS, ids=lambda p: type(p).__name__)
def test_it_is_the_identity_at_data(path):
    f, z = pr.ConsistencyModel("x", TimeMLP(2, hidden=(8,)), path=path), torch.randn(4, 2)
    found = f.data(*pr.symbols("z t"))({"z": z, "t": torch.zeros(4)})
    torch.testing.assert_close(found, z)


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_training_and_distillation_print_check_and_run(path, foreign_commands):
    torch.manual_seed(0)
    f = pr.ConsistencyModel("x | c", TimeMLP(2, condition=3, hidden=(8,)), path=path, drop=0.1, levels=8)
    mu = pr.Diffusion("x | c", TimeMLP(2, condition=3, hidden=(8,)), path=path)
    batch = {"x": torch.randn(8, 2), "c": torch.randn(8, 3)}
    for options in ({}, {"teacher": mu(c)}, {"slow": "live"}):
        loss = pr.mean(f(c).matching(x, **options))
        assert foreign_commands(loss.latex()) == []
        steps = [pr.Minimize(loss, wrt=f)] + ([] if "slow" in options else [pr.Polyak(f.ema, tau=0.05)])
        update = pr.Program(*steps).compile(backend="eager", seed=0)
        assert float(update(batch)["finite"]) == 1
    pr.mean(f(c).matching(x)).check(batch)
    assert f.sample({"c": batch["c"]}, n=2, steps=2)["x"].shape == (16, 2)


def test_distillation_carries_along_the_teachers_trajectory():
    """The exact function of an exact teacher is matched up to the teacher's step."""
    path = P.LinearVP()
    mu = pr.Diffusion("x", ExactNormal(path, "noise", torch.tensor([1.0]), torch.tensor([[0.09]])), path=path)
    f, data = exact(path), {"x": 1 + 0.3 * torch.randn(500, 1)}
    carried, plain = (float(f.matching(x, teacher=t, slow="live")(data).mean()) for t in (mu.applied(()), None))
    assert carried < 1e-4 < plain


def test_a_moving_average_that_nobody_moves_is_refused():
    f = pr.ConsistencyModel("x", TimeMLP(2, hidden=(8,)), name="f")
    with pytest.raises(ExpressionError, match="ema"):
        pr.Program(pr.Minimize(pr.mean(f.matching(x)), wrt=f))


@pytest.mark.parametrize(
    ("wrong", "pattern"),
    [
        (lambda f: f.sample(n=2, solver=S.Heun(3)), "Heun 3 .* jumps"),
        (lambda f: f.score(x, 0.5), "score"),
        (lambda f: f.velocity(x, 0.5), "velocity"),
        (lambda f: f.log_prob({"x": torch.zeros(2, 2)}), "no density"),
        (lambda f: f.matching(x, t=0.5), "both times"),
        (lambda f: f.matching(x, teacher=pr.Flow("x", TimeMLP(2)).applied(())), "another path"),
        (lambda f: pr.ConsistencyModel("x", TimeMLP(2), slow="target"), "slow"),
        (lambda f: pr.ConsistencyModel("x", TimeMLP(2), predicts="noise"), "predicts the data"),
    ],
)  # fmt: skip
def test_what_a_consistency_model_cannot_is_said(wrong, pattern):
    with pytest.raises(ExpressionError, match=pattern):
        wrong(pr.ConsistencyModel("x", TimeMLP(2, hidden=(8,))))


# --- MeanFlow ------------------------------------------------------------------------------------------------------
class Average(nn.Module):
    """The exact average velocity for N(1, 0.3^2) along a path: the flow keeps the quantile."""

    event_shape = (1,)

    def __init__(self, path):
        super().__init__()
        self.path = path

    def at(self, t):
        a, s = self.path.alpha(t), self.path.sigma(t)
        return a, (0.09 * a**2 + s**2).sqrt()

    def forward(self, x, t, condition):
        r, t = condition["r"][:, None].double(), t[:, None].double()
        near = (t - r).abs() < 1e-4
        r = torch.where(near, t - 1e-4, r).clamp_min(0)
        t = torch.where(near & (t < 1e-4), r + 1e-4, t)
        (a, s), (b, v) = self.at(t), self.at(r)
        return ((x - (b + v / s * (x - a))) / (t - r)).to(x.dtype)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("path", [P.Linear(), P.GVP()], ids=named)
def test_one_step_of_the_average_velocity_is_the_flow(path, steps):
    torch.manual_seed(0)
    u = pr.MeanFlow("x", Average(path), path=path)
    drawn = u.sample(n=8_000, steps=steps)["x"]
    assert float(drawn.mean()) == pytest.approx(1.0, abs=0.02) and float(drawn.std()) == pytest.approx(0.3, rel=0.03)


def test_the_velocity_flows_too():
    u = pr.MeanFlow("x", Average(P.Linear()))
    drawn = u.sample(n=4_000, solver=S.Heun(20))["x"]
    assert float(drawn.std()) == pytest.approx(0.3, rel=0.05)
    data = {"x": 1 + 0.3 * torch.randn(10, 1)}
    truth = torch.distributions.Normal(1.0, 0.3).log_prob(data["x"])[:, 0]
    torch.testing.assert_close(u.log_prob(data, exact=True), truth, atol=2e-2, rtol=0)


def test_matching_is_the_identity_of_average_velocities():
    """At r = t it is flow matching; else the target is by one derivative along the flow, here by finite differences."""
    torch.manual_seed(0)
    u = pr.MeanFlow("x | c", Smooth())
    t, r, e = torch.linspace(0.3, 0.9, 5), torch.linspace(0.1, 0.2, 5), torch.randn(5, 2)
    batch = {"x": torch.randn(5, 2), "c": torch.randn(5, 3), "t": t, "r": r, "e": e}
    batch = {k: v.double() for k, v in batch.items()}
    u = u.double()
    found = u(c).matching(x, t=pr.symbols("t"), r=pr.symbols("r"), noise=pr.symbols("e"))(batch)
    v = batch["e"] - batch["x"]
    at = lambda h: u.net(  # noqa: E731
        (1 - batch["t"])[:, None] * batch["x"] + batch["t"][:, None] * batch["e"] + h * v,
        batch["t"] + h,
        batch["r"],
        batch["c"],
    )
    slope = (at(1e-6) - at(-1e-6)) / 2e-6
    by_hand = (at(0.0) - (v - (batch["t"] - batch["r"])[:, None] * slope)).square().sum(1)
    torch.testing.assert_close(found, by_hand, rtol=1e-6, atol=1e-6)


class Smooth(nn.Module):
    event_shape = (2,)

    def __init__(self):
        super().__init__()
        self.layers = pr.mlp(2 + 1 + 1 + 3, 16, 2)

    def forward(self, x, t, condition):
        return self.layers(torch.cat([x, t[:, None], condition["r"][:, None], condition["c"]], 1))


@pytest.mark.parametrize("adaptive", [0.0, 1.0])
def test_mean_flow_prints_checks_and_trains(adaptive, foreign_commands):
    torch.manual_seed(0)
    u = pr.MeanFlow("x | c", Smooth(), adaptive=adaptive, drop=0.2)
    batch = {"x": torch.randn(64, 2) + 2, "c": torch.randn(64, 3)}
    loss = pr.mean(u(c).matching(x))
    assert foreign_commands(loss.latex()) == []
    loss.check(batch)
    update = pr.Minimize(loss, wrt=u, optimizer=pr.Adam(1e-2)).compile(backend="eager", seed=0)
    losses = [float(update(batch)["loss"]) for _ in range(60)]
    assert all(map(math.isfinite, losses))
    if not adaptive:
        assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_what_mean_flow_cannot_is_said():
    u = pr.MeanFlow("x", TimeMLP(2, condition=1))
    with pytest.raises(ExpressionError, match="both times"):
        u.matching(x, t=0.5)
    with pytest.raises(ExpressionError, match="average velocities"):
        pr.MeanFlow("x", TimeMLP(2, condition=1), predicts="noise")

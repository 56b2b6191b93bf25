"""Adjoint matching reaches the tilted density, in mean and in variance."""

import pytest
import torch
from torch import nn

import probrl as pr
from probrl.errors import ExpressionError
from probrl.networks import TimeMLP
from tests.generative.exact import ExactNormal

S = pr.solvers
STEPS, MEAN, SPREAD, SLOPE, BEND = (
    12,
    1.0,
    0.5,
    2.0,
    1.5,
)  # of the chain, the data and the reward SLOPE x - BEND x^2 / 2


class Affine(nn.Module):
    """The exact prediction for normal data, and at each step of a grid an affine function of the state besides."""

    event_shape = (1,)

    def __init__(self, times, path, predicts):
        super().__init__()
        self.exact = ExactNormal(path, predicts, torch.tensor([MEAN]), torch.tensor([[SPREAD**2]]))
        self.register_buffer("times", torch.tensor(times[:-1], dtype=torch.float64).flip(0))
        self.slope, self.shift = (nn.Parameter(torch.zeros(len(times) - 1)) for _ in range(2))

    def forward(self, x, t, condition):
        k = torch.searchsorted(self.times, t.double() - 1e-6).clamp(max=len(self.times) - 1)
        return self.exact(x, t, condition) + self.slope[k, None] * x + self.shift[k, None]


def fitted(path, predicts, solver, updates=120):
    torch.manual_seed(0)
    family = {"velocity": pr.Flow, "noise": pr.Diffusion}[predicts]
    times = family("x", TimeMLP(1), path=path, solver=solver).times(solver)
    model = family("x", Affine(times, path, predicts), path=path, solver=solver)
    z = pr.symbols("z", rank=1)
    reward = lambda x: pr.sum_event(SLOPE * x - 0.5 * BEND * x**2)  # noqa: E731
    loss = pr.mean(pr.adjoint_matching(model.applied(()), reward, start=z, solver=solver))
    update = pr.Minimize(loss, wrt=model, optimizer=pr.Adam(0.04)).compile(backend="eager")
    before = model.sample(n=8_000)["x"]
    for _ in range(updates):
        update({"z": torch.randn(128, 1)})
    return before, model.sample(n=8_000)["x"]


@pytest.mark.parametrize(
    ("path", "predicts", "solver"),
    [
        (pr.paths.Linear(), "velocity", S.DDIM(STEPS, eta=1.0)),
        (pr.paths.LinearVP(), "noise", S.EulerMaruyama(16, noise="memoryless")),
    ],
    ids=["flow, ancestral", "diffusion, Euler-Maruyama"],
)
def test_training_reaches_the_tilted_normal(path, predicts, solver):
    before, after = fitted(path, predicts, solver)
    variance = float(before.var())  # of the base model's own chain
    precision = 1 / variance + BEND
    mean = (float(before.mean()) / variance + SLOPE) / precision
    assert float(after.mean()) == pytest.approx(mean, abs=0.02)
    assert float(after.std()) == pytest.approx(precision**-0.5, rel=0.06)
    true = 1 / SPREAD**2 + BEND
    assert float(after.mean()) == pytest.approx((MEAN / SPREAD**2 + SLOPE) / true, abs=0.06)
    assert float(after.std()) == pytest.approx(true**-0.5, rel=0.25)  # a dozen steps


def test_without_a_reward_the_base_model_is_the_minimum():
    v, z = pr.Flow("x", TimeMLP(2, hidden=(8,))), pr.symbols("z", rank=1)
    loss = pr.mean(pr.adjoint_matching(v.applied(()), lambda x: 0.0 * pr.sum_event(x), start=z))
    with torch.no_grad():
        assert float(loss({"z": torch.randn(5, 2)})) == 0


def test_a_deterministic_solver_is_refused():
    with pytest.raises(ExpressionError, match="Heun 3 adds none"):
        pr.adjoint_matching(pr.Flow("x", TimeMLP(2)).applied(()), pr.sum_event, solver=S.Heun(3))


@pytest.mark.parametrize("path", [pr.paths.LinearVP(), pr.paths.GVP()], ids=lambda p: type(p).__name__)
def test_in_memoryless_steps_it_is_the_loss_of_the_paper(path):
    """2 (v - v^0) / g - g a, times the length of a step; the adjoint by the base model's drift, written out by hand."""
    torch.manual_seed(0)
    v, v_0 = (
        pr.Diffusion("a | s", TimeMLP(2, condition=3, hidden=(8,)), path=path, predicts="velocity", name=name)
        for name in ("v", r"v^{0}")
    )
    s, z = pr.symbols("s"), pr.symbols("z", rank=1)
    solver, reward = S.EulerMaruyama(4, noise="memoryless"), lambda x: -pr.sqnorm(x - 1)
    chain = v(s).chain(solver, start=z).held()
    terminal = -pr.grad(reward(chain.x_end), chain.x_end)
    drift = v_0(s).held().chain_drift(chain)
    adjoint = pr.recursion(
        lambda y: ((y - chain.h * pr.grad(pr.dot(drift, y), chain.x),), y), init=terminal, over="k", reverse=True
    )
    apart = v(s).velocity(chain.x, chain.t) - v_0(s).held().velocity(chain.x, chain.t)
    by_hand = pr.sqnorm(2 * chain.h / chain.scale * apart - chain.scale * adjoint).sum("k")
    loss = pr.adjoint_matching(v(s), reward, v_0(s), solver=solver, start=z)
    batch = {"s": torch.randn(5, 3), "z": torch.randn(5, 2)}
    values = [pr.mean(x)(batch, generator=torch.Generator().manual_seed(1)) for x in (loss, by_hand)]
    torch.testing.assert_close(values[0], values[1], rtol=1e-3, atol=1e-4)

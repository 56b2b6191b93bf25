"""Samples on tensors: the numbers that are worked out beforehand are those of the scheme, compiled or not."""

import copy

import pytest
import torch

import probrl as pr
from probrl.networks import TimeMLP
from probrl.solvers import Solver, solve

S = pr.solvers
SOLVERS = [one for name in S.__all__ if isinstance(cls := getattr(S, name), type) and issubclass(cls, Solver)
           and cls not in (Solver, S.Adaptive) for one in cls.examples()]  # fmt: skip


def small(predicts="noise"):
    torch.manual_seed(0)
    return pr.Diffusion("x", TimeMLP(2, hidden=(16,)), predicts=predicts)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda one: one.said)
@pytest.mark.parametrize("predicts", ["noise", "velocity"])
def test_steps_are_those_of_the_scheme(solver, predicts):
    mu = small(predicts)
    found = mu.sample(n=5, solver=solver, trajectory=True, generator=torch.Generator().manual_seed(1))["x"]
    scheme = solver.scheme(mu.schedule, mu.grid(mu.times(solver)))
    numbers = mu.coefficients(scheme)
    generator = torch.Generator().manual_seed(1)
    x = mu.start_scale(scheme) * torch.randn(5, 2, generator=generator)

    def field(k, stage, x):
        a, b = (float(c[stage][k]) for c in numbers)
        return a * x + b * mu.net(x, torch.tensor(scheme.stages[stage][k], dtype=torch.float32).expand(5), *())

    with torch.no_grad():
        states = [x, *(y for y, _ in solve(scheme, x, field, lambda k, y: torch.randn(5, 2, generator=generator)))]
    torch.testing.assert_close(found, torch.stack(states), rtol=1e-4, atol=1e-4)


def test_a_copy_asks_its_own_network():
    mu = small()
    start = torch.randn(4, 2)
    before = mu.sample(n=4, start=start)["x"]
    other = copy.deepcopy(mu)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.1)
    assert not torch.equal(other.sample(n=4, start=start)["x"], before)
    torch.testing.assert_close(mu.sample(n=4, start=start)["x"], before, rtol=0, atol=0)


@pytest.mark.inductor
@pytest.mark.parametrize("solver", [S.DPM(3), S.EulerMaruyama(3)], ids=["deterministic", "stochastic"])
def test_compiled_steps_are_the_eager_ones(solver):
    torch.manual_seed(0)
    mu = pr.Diffusion("x | s", TimeMLP(2, condition=1, hidden=(16,)), solver=solver)
    for rows in (4, 4, 7):
        given = {"s": torch.randn(rows, 1)}
        one, other = (
            mu.sample(given, compiled=compiled, generator=torch.Generator().manual_seed(3))["x"]
            for compiled in (False, True)
        )
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        next(mu.parameters()).add_(0.1)
    start = torch.randn(7, 2)
    one, other = (
        mu.sample(given, start=start, compiled=c, generator=torch.Generator().manual_seed(3))["x"] for c in (0, 1)
    )
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)

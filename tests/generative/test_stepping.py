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


def test_a_compiled_function_may_draw_with_gradients_and_from_the_average():
    """Solvers that are derived while it is traced keep their fields; the copy of a role is made before."""
    mu = small()
    average, start = mu.ema, torch.randn(4, 2)

    def draw(model, start):
        return model.sample(start=start, reparam=True, steps=3)["x"].square().sum()

    torch.compiler.reset()
    traced = torch.compile(draw, fullgraph=True, backend="eager")
    found = [torch.autograd.grad(f(mu, start), list(mu.parameters())) for f in (traced, draw)]
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert torch.equal(traced(average, start), draw(average, start))


def test_what_is_no_part_of_a_compiled_graph_is_said():
    mu, value = small(), torch.zeros(2)
    for options in ({"solver": S.Adaptive()}, {"known": (torch.tensor([True, False]), value)}):
        torch.compiler.reset()
        with pytest.raises(Exception, match="outside of the compiled function"):
            torch.compile(lambda o=options: mu.sample(n=2, **o)["x"], fullgraph=True, backend="eager")()


def test_a_given_start_gets_the_half_of_the_noise_that_a_splitting_begins_with():
    """Without it a stochastic Heun from a start would be of order 1: samples, draws and chains alike."""
    solver, grid = S.StochasticHeun(8), torch.linspace(0.6, 0.1, 9).tolist()
    mu = pr.Diffusion("x", Held(), path=pr.paths.GVP(), predicts="velocity")
    first = solver.scheme(mu.schedule, mu.grid(mu.times(solver, grid))).widening
    torch.manual_seed(0)
    start = torch.zeros(20_000, 1)
    states = mu.sample(start=start, solver=solver, grid=grid, trajectory=True)["x"]
    assert float(states[0].var()) == pytest.approx(first, rel=0.05)
    y = pr.symbols("y", rank=1)
    drawn, chain = (
        mu.applied(()).draw(start=y, solver=solver, grid=grid),
        mu.applied(()).chain(solver, start=y, grid=grid),
    )
    assert float(drawn({"y": start}).var()) == pytest.approx(float(states[-1].var()), rel=0.05)
    assert float(chain.x[0]({"y": start}).var()) == pytest.approx(first, rel=0.05)
    other = mu.sample(start=start, solver=S.EulerMaruyama(8), grid=grid, trajectory=True)["x"]
    assert torch.equal(other[0], start)


class Held(torch.nn.Module):
    """Says nothing, of one number."""

    event_shape = (1,)

    def forward(self, x, t, condition):
        return 0 * x


def test_noise_of_a_drawn_formula_is_as_long_as_its_own_grid():
    mu = pr.Diffusion("x", Held(), path=pr.paths.GVP(), predicts="velocity")
    y = pr.symbols("y", rank=1)
    drawn = mu.applied(()).draw(per=y, solver=S.EulerMaruyama(2), grid=torch.linspace(0.9, 0.1, 6).tolist())
    assert drawn({"y": torch.zeros(3, 1)}).isfinite().all()


def test_a_grid_to_where_a_solver_is_not_finite_is_refused():
    mu = pr.Diffusion("x", Held(), path=pr.paths.GVP(), predicts="velocity")
    with pytest.raises(pr.errors.DataError, match="grow beyond every bound at the end of its grid"):
        mu.sample(n=2, solver=S.StochasticHeun(2), grid=[0.6, 0.3, 0.0])
    assert mu.sample(n=2, solver=S.Heun(2), grid=[0.6, 0.3, 0.0])["x"].isfinite().all()


@pytest.mark.inductor
def test_what_fails_in_a_compiled_sampler_is_said_as_in_an_eager_one():
    class Singular(torch.nn.Module):
        event_shape = (2,)

        def forward(self, x_t, t, condition):
            return torch.linalg.solve(torch.zeros(2, 2), x_t.T).T

    class Narrow(Singular):
        def forward(self, x_t, t, condition):
            return x_t[:, :1]

    for network, kind, said in ((Singular(), RuntimeError, "singular"), (Narrow(), pr.errors.DataError, "Narrow gave")):
        with pytest.raises(kind, match=said):
            pr.Diffusion("x", network).sample(n=4, solver=S.DPM(3), compiled=True)

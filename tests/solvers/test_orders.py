"""Laws over every solver: the measured order of accuracy is the declared one, on Gaussian data with the exact network."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import probrl as pr
from probrl.errors import DataError
from probrl.solvers import own_times
from tests.paths.families import path
from tests.solvers.oracle import EXAMPLES, KINDS, ONE, REAL, THREE, OnAPath, carried

SPAN = (0.9, 0.1)


def error(solver, name: str, steps: int, data=ONE) -> float:
    """How far the mean and the covariance are from those of x_t, from one time inside to another."""
    p = path(name)
    solver = type(solver)(**{**solver.__dict__, "steps": steps})
    scheme = solver.scheme(p, solver.times(p, *SPAN))
    mean, cov = data.at(p, SPAN[0])
    cov = cov + scheme.widening * torch.eye(len(mean), dtype=REAL)
    m, c = carried(OnAPath(p, "noise", data), scheme, mean, cov)
    true_mean, true_cov = data.at(p, SPAN[1])
    return float((m - true_mean).abs().max() + (c - true_cov).abs().max())


def test_the_room_is_walked():
    assert {k.__name__ for k in KINDS} >= {
        "Euler",
        "Midpoint",
        "Heun",
        "RK4",
        "DDIM",
        "DPM",
        "EulerMaruyama",
        "StochasticHeun",
        "Adaptive",
    }
    assert {k.__name__ for k in KINDS} <= set(pr.solvers.__all__)


@pytest.mark.parametrize("said", EXAMPLES)
@pytest.mark.parametrize("name", ["LinearVP", "Parabola"])
def test_the_order_is_the_declared_one(said, name):
    solver = EXAMPLES[said]
    steps = {1: 80, 2: 80, 3: 160, 4: 20}[solver.order]
    slope = math.log2(error(solver, name, steps) / error(solver, name, 2 * steps))
    assert abs(slope - solver.order) < 0.2, f"{said} on {name}: order {slope:.2f}, declared {solver.order}"


@pytest.mark.parametrize("name", ["GVP", "UniformSNR", "own Fourier"])
@pytest.mark.parametrize("said", [s for s, x in EXAMPLES.items() if x.order > 1])
def test_three_dimensions_converge(said, name):
    assert error(EXAMPLES[said], name, 100, THREE) < 2e-3


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_bad_steps_and_grids_are_refused_by_name(kind):
    for steps in (0, -1, 2.5, True):
        with pytest.raises(DataError, match=rf"pr.solvers.{kind.__name__}\(steps={steps}\)"):
            kind(steps=steps)
    with pytest.raises(DataError, match="the grids are 'uniform', 'quadratic', 'angle', 'log_snr', 'edm'"):
        kind(grid="fine")
    with pytest.raises(DataError, match="from one time in"):
        kind(steps=3).times(path("Linear"), 1.0, 1.0)


def test_grids():
    p = path("LinearVP")
    for grid in ("uniform", "quadratic", "angle", "log_snr", "edm"):
        times = pr.solvers.Euler(7, grid=grid).times(p)
        assert len(times) == 8 and times[0] == 1 and times[-1] == 0 and (np.diff(times) < 0).all()
    l = p.half_log_snr(torch.tensor(pr.solvers.DPM(6).times(p, 0.7, 0.1)))
    torch.testing.assert_close(l.diff(), (l[-1] - l[0]).expand(6) / 6)
    levels = p.half_log_snr(torch.tensor(pr.solvers.Euler(6, grid="edm").times(p, 0.7, 0.1))).neg().exp() ** (1 / 7)
    torch.testing.assert_close(levels.diff(), (levels[-1] - levels[0]).expand(6) / 6)
    for bad in ([0.5], [0.5, 0.5], [1.2, 0.0], [0.9, 0.1, 0.2], [0.9, float("nan")]):
        with pytest.raises(DataError, match="a grid is at least two times"):
            own_times(bad)


def test_adaptive_steps():
    p = path("GVP")
    model = OnAPath(p, "velocity", ONE)
    x = torch.tensor([[0.5], [1.0]], dtype=REAL)
    found = pr.solvers.Adaptive(rtol=1e-8, atol=1e-8).integrate(
        lambda t, x: model.data.predict(p, "velocity", x, float(t)), x, torch.tensor([0.9, 0.1], dtype=REAL)
    )[-1]
    (m, c), (n, d) = ONE.at(p, 0.9), ONE.at(p, 0.1)
    torch.testing.assert_close(found, n + (x - m) * (d / c).sqrt(), rtol=1e-6, atol=1e-6)
    with pytest.raises(DataError, match="no fixed steps"):
        pr.solvers.Adaptive().scheme(p, None)


def test_a_stage_that_no_weight_reads_is_not_evaluated():
    p, calls = path("LinearVP"), []
    scheme = pr.solvers.DPM(5, degree=3).scheme(p, pr.solvers.DPM(5).times(p, 0.9, 0.1))

    def field(k, stage, x):
        calls.append((k, stage))
        return x

    list(pr.solvers.solve(scheme, torch.ones(1, 1), field, None))
    assert calls == [(0, 0), (0, 1), (1, 0), (2, 0), (3, 0), (4, 0)]

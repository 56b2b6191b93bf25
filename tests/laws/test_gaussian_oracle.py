"""With the exact network for Gaussian data, samples are that Gaussian: every path, prediction and solver that there is.

Every step is affine, so what a solver makes of the start is known without drawing. The limit of many steps is taken from
two grids and the declared order. Grids are the models' own; where one stays off an end is printed with the cell.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import probrl as pr
from probrl.errors import ProbrlError
from probrl.solvers import Adaptive
from tests.generative.exact import ExactNormal
from tests.paths.families import PREDICTIONS, SHIPPED, path
from tests.solvers.oracle import EXAMPLES, KINDS, REAL, THREE, carried_in_space, carried_on_a_line

MEAN, STD = 1.0, 0.3
STEPS = {1: 100, 2: 40, 3: 30, 4: 20}
ADAPTIVE = {x.said: x for kind in KINDS for x in kind.examples() if isinstance(x, Adaptive)}


def model_of(name: str, kind: str, d: int):
    """A model along a path; what its network says is put in by the oracle."""
    return pr.Diffusion("x", pr.networks.TimeMLP(d), path=path(name), predicts=kind)


def scheme_of(model, solver):
    return solver.scheme(model.path, np.asarray(model.times(solver), dtype=np.float64))


def expected(p, kind: str, x, t):
    """The exact network: the expectations of data and noise behind x, as a prediction."""
    a, s = p.alpha(t), p.sigma(t)
    gap = (x - a * MEAN) / (a**2 * STD**2 + s**2)
    return -gap if kind == "score" else p.target(kind, MEAN + a * STD**2 * gap, s * gap, t)


def sampled(solver, name: str, kind: str):
    """The mean and the standard deviation of the samples, by the numbers that the model ships; and its grid."""
    model = model_of(name, kind, 1)
    scheme = scheme_of(model, solver)
    shares, weights = model.coefficients(scheme)

    def says(stage: int):
        t = torch.tensor(scheme.stages[stage])
        zero, one = (expected(model.path, kind, torch.full_like(t, x), t) for x in (0.0, 1.0))
        a, b = torch.tensor(shares[stage]), torch.tensor(weights[stage])
        return (b * zero).numpy(), (a + b * (one - zero)).numpy()

    mean, variance = carried_on_a_line(scheme, says, model.start_scale(scheme) ** 2)
    return np.array([mean, math.sqrt(variance)]), scheme.times


def off(found) -> float:
    """The larger of the relative errors of the mean and of the standard deviation."""
    return float(np.abs(found / np.array([MEAN, STD]) - 1).max())


def converged(solver, name: str, kind: str, sampled=sampled, off=off):
    """What more and more steps tend to, from two grids and the declared order; finer ones where it is not near yet."""
    for steps in (STEPS[solver.order], 4 * STEPS[solver.order], 12 * STEPS[solver.order]):
        (few, _), (many, times) = (sampled(replace(solver, steps=n), name, kind) for n in (steps, 2 * steps))
        found = many + (many - few) / (2**solver.order - 1)
        if off(found) < 0.01:
            break
    return found, times


def adapted(solver, name: str, kind: str):
    """The mean and the standard deviation of the samples of adaptive steps: what becomes of two points says all."""
    exact = ExactNormal(path(name), kind, torch.tensor([MEAN]), torch.tensor([[STD**2]]))
    model = pr.Diffusion("x", exact, path=path(name), predicts=kind).double()
    times = model.times(solver)
    scale = model.spread_at(float(times[0]))
    zero, one = model.sample(start=torch.tensor([[0.0], [scale]], dtype=REAL), solver=solver)["x"][:, 0].tolist()
    return np.array([zero, abs(one - zero)]), times


def admits(solver, name: str, kind: str) -> bool:
    """Whether the solver and the path say that they go together."""
    try:
        model_of(name, kind, 1).times(model_of(name, kind, 1).solver_of(solver))
    except ProbrlError:
        return False
    return True


@pytest.mark.parametrize("name", SHIPPED)
def test_every_cell_samples_the_data(name):
    wrong, said = [], []
    solvers = {**EXAMPLES, **ADAPTIVE}
    cells = [(kind, x) for kind in PREDICTIONS for x in solvers if admits(solvers[x], name, kind)]
    print(f"{name}: {len(cells)} of {len(PREDICTIONS) * len(solvers)} cells are admissible")
    assert {x for _, x in cells} == set(solvers) and {kind for kind, _ in cells} == set(PREDICTIONS)
    for kind, label in cells:
        solver = solvers[label]
        found, times = (adapted if isinstance(solver, Adaptive) else converged)(solver, name, kind)
        said.append(f"{name:10} {kind:8} {label:45} from {times[0]:.3f} to {times[-1]:.3f}: {off(found):.2%}")
        if not off(found) < 0.01:
            wrong.append(said[-1])
    print("\n".join(said))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", SHIPPED)
def test_fifteen_evaluations_of_dpm_are_within_two_percent(name):
    for kind in PREDICTIONS:
        assert off(sampled(pr.solvers.DPM(15), name, kind)[0]) < 0.02, (name, kind)


def in_space(solver, name: str, kind: str):
    """The mean and the covariance of the samples of correlated data, and the grid."""
    model = model_of(name, kind, 3)
    scheme = scheme_of(model, solver)
    shares, weights = model.coefficients(scheme)
    basis = torch.cat([torch.zeros(1, 3, dtype=REAL), torch.eye(3, dtype=REAL)])

    def says(stage: int):
        t = torch.tensor(scheme.stages[stage], dtype=REAL)
        alpha, sigma = (x[:, None, None] for x in (model.path.alpha(t), model.path.sigma(t)))
        gap = (basis - alpha * THREE.mean) @ torch.linalg.inv(
            alpha**2 * THREE.cov + sigma**2 * torch.eye(3, dtype=REAL)
        )
        x = basis.expand(len(t), 4, 3)
        said = (
            -gap if kind == "score" else model.path.target(kind, THREE.mean + alpha * gap @ THREE.cov, sigma * gap, t)
        )
        a, b = (torch.tensor(c[stage])[:, None, None] for c in (shares, weights))
        return torch.where(a == 0, 0.0, a * x).add(b * said).numpy()

    mean, cov = carried_in_space(scheme, says, model.start_scale(scheme) ** 2 * np.eye(3))
    return np.concatenate([mean, np.sqrt(np.diag(cov)), cov[np.triu_indices(3, 1)]]), scheme.times


def off_in_space(found) -> float:
    """The largest error: of the means beside the largest, of the deviations each, of the covariances beside the largest."""
    mean, cov = THREE.mean.numpy(), THREE.cov.numpy()
    std, across = np.sqrt(np.diag(cov)), cov[np.triu_indices(3, 1)]
    errors = (found[:3] - mean) / np.abs(mean).max(), found[3:6] / std - 1, (found[6:] - across) / cov.max()
    return float(np.abs(np.concatenate(errors)).max())


def cells_in_space(name: str, shift: int | None = None):
    """What becomes of correlated data on a path: of every solver with every prediction, or with one each, in turn."""
    for i, label in enumerate(EXAMPLES):
        for kind in PREDICTIONS if shift is None else [PREDICTIONS[(i + shift) % len(PREDICTIONS)]]:
            if admits(EXAMPLES[label], name, kind):
                found, times = converged(EXAMPLES[label], name, kind, in_space, off_in_space)
                yield f"{name:10} {kind:8} {label:45} from {times[0]:.3f} to {times[-1]:.3f}", off_in_space(found)


@pytest.mark.parametrize(("shift", "name"), list(enumerate(SHIPPED)), ids=str)
def test_correlated_data_in_three_dimensions(shift, name):
    """Every solver on every path, and over the paths with every prediction; all cells: tests.benchmarks.gaussian_oracle."""
    wrong = [f"{cell}: {error:.2%}" for cell, error in cells_in_space(name, shift) if not error < 0.01]
    assert not wrong, "\n".join(wrong)

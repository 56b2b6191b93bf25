"""Laws over every path: a new file of the room is tested by existing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
import torch

import probrl as pr
from tests.paths.families import NAMES, PAIRS, PREDICTIONS, SHIPPED, Exact, path

FUNCTIONS = ("alpha", "sigma", "alpha_dot", "sigma_dot", "drift", "diffusion", "half_log_snr", "half_log_snr_dot")
DENSE = torch.tensor([1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 1 - 1e-4, 1 - 1e-5])
INSIDE = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)


def coefficients(name: str, source: str, target: str, t):
    """The two coefficients of a conversion at times."""
    return [torch.full_like(t, c) if isinstance(c, int) else c(t) for c in path(name).conversion(source, target)]


def test_the_room_is_walked():
    assert {"LinearVP", "GVP", "Linear", "CosineVP", "VE", "EDM"} < set(SHIPPED)
    assert set(SHIPPED) <= set(pr.paths.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_ends(name):
    p = path(name)
    assert p.alpha(0.0) == pytest.approx(1.0, abs=0.01) and p.sigma(0.0) < 0.02
    assert p.sigma(1.0) > 100 * p.alpha(1.0) or p.sigma(1.0) == pytest.approx(max(1.0, p.sigma(1.0)), abs=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_the_signal_to_noise_ratio_falls(name):
    l = path(name).half_log_snr(torch.linspace(1e-4, 1 - 1e-4, 500, dtype=torch.float64))
    assert (l.diff() < 0).all() and (path(name).half_log_snr_dot(INSIDE) < 0).all()
    assert (path(name).diffusion(INSIDE) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_autograds(name):
    p, t = path(name), INSIDE.clone().requires_grad_()
    for value, slope in (("alpha", "alpha_dot"), ("sigma", "sigma_dot"), ("half_log_snr", "half_log_snr_dot")):
        y = getattr(p, value)(t).sum()
        found = torch.autograd.grad(y, t)[0] if y.requires_grad else torch.zeros_like(t)
        torch.testing.assert_close(getattr(p, slope)(INSIDE), found, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_loses_nothing(name):
    """Relative errors below 1e-5 of the exact value at the same float32 time, from 1e-5 to 1 - 1e-5."""
    p, truth = path(name), [Exact(name).at(float(x)) for x in DENSE]
    for function in FUNCTIONS:
        found = getattr(p, function)(DENSE)
        assert found.dtype is torch.float32
        close(found, [row[function] for row in truth], f"{name}.{function}")
    for pair in PAIRS:
        for i, found in enumerate(coefficients(name, *pair, DENSE)):
            close(found, [row[pair][i] for row in truth], f"{name}: {pair}[{i}]")


def close(found, exact, what):
    for x, value in zip(found.tolist(), map(float, exact), strict=True):
        assert abs(x - value) <= 1e-5 * abs(value) + 1e-12, f"{what}: {x} for {value}"


@pytest.mark.parametrize("name", NAMES)
def test_conversions_round_trip(name):
    torch.manual_seed(0)
    p, x = path(name), torch.randn(len(INSIDE), 3, dtype=torch.float64)
    given = torch.randn_like(x)
    for source, target in PAIRS:
        there = p.convert(given, x, INSIDE, source=source, target=target)
        back = p.convert(there, x, INSIDE, source=target, target=source)
        scale = 1 + given.abs() + x.abs()
        assert ((back - given).abs() / scale).max() < 1e-10, (name, source, target)


@pytest.mark.parametrize("name", NAMES)
def test_targets_are_what_conversions_make_of_each_other(name):
    torch.manual_seed(0)
    p, data, noise = (
        path(name),
        torch.randn(len(INSIDE), 2, dtype=torch.float64),
        torch.randn(len(INSIDE), 2, dtype=torch.float64),
    )
    x_t = p.perturb(data, noise, INSIDE)
    for source, target in PAIRS:
        found = p.convert(p.target(source, data, noise, INSIDE), x_t, INSIDE, source=source, target=target)
        torch.testing.assert_close(found, p.target(target, data, noise, INSIDE), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_where_a_limit_is_declared_there_is_a_number(name):
    for source, target in PAIRS:
        for end, finite in enumerate(path(name).finite(source, target)):
            near = abs(end - 1e-7)
            for at, close_by in zip(
                *(coefficients(name, source, target, torch.tensor([x], dtype=torch.float64)) for x in (end, near)),
                strict=True,
            ):
                if finite:
                    assert abs(float(at) - float(close_by)) < 1e-2 * (1 + abs(float(close_by))), (source, target, end)


@pytest.mark.parametrize("name", NAMES)
def test_the_inverse_of_the_log_snr(name):
    p, t = path(name), torch.tensor([1e-5, 1e-3, 0.05, 0.3, 0.6, 0.9, 0.999], dtype=torch.float64)
    torch.testing.assert_close(p.time_of(p.half_log_snr(t)), t, rtol=1e-7, atol=0)
    assert p.time_of(p.half_log_snr(0.25)) == pytest.approx(0.25, rel=1e-9)


def test_an_equation_that_sympy_does_not_come_to_an_end_with_is_solved_by_bisection():
    p = pr.paths.GaussianPath((1 - pr.paths.t) * sympy.exp(-20 * pr.paths.t), pr.paths.t)
    assert p.time_of(p.half_log_snr(0.25)) == pytest.approx(0.25, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_printed_is_executed(name):
    p, t, (x, e) = path(name), pr.symbols("t"), pr.symbols("x e", rank=1)
    batch = {"t": torch.tensor([0.1, 0.5, 0.8]), "x": torch.randn(3, 2), "e": torch.randn(3, 2)}
    x_t = p.perturb(x, e, t)
    moved = [pr.sqnorm(p.convert(e, x_t, t, source=source, target=target)) for source, target in PAIRS[::6]]
    loss = pr.mean(p.weight(t, "likelihood") * p.reverse_noise(t) * p.half_log_snr(t) + sum(moved, pr.sqnorm(x)))
    assert loss.check(batch).value_error < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_every_path_prints(name):
    p = path(name)
    assert len(p.equations()) >= 12 + len(PAIRS)
    rows = p.latex().splitlines()
    assert rows[0] == r"\begin{aligned}" and rows[1].startswith(r"\alpha(t) & = ")
    assert str(p.text()).splitlines()[0].startswith("α(t) = ")


@pytest.mark.parametrize("name", NAMES)
def test_weights_over_the_errors(name):
    """The error of one prediction, weighted, is the error of the other; the likelihood's is -2 dl/dt of the noise's."""
    torch.manual_seed(0)
    p, x, given = path(name), torch.randn(25, 2, dtype=torch.float64), torch.randn(2, 25, 2, dtype=torch.float64)
    for over in ("noise", "velocity"):
        for kind in PREDICTIONS:
            a, b = (p.convert(v, x, INSIDE, source=over, target=kind) for v in given)
            expected = ((a - b) ** 2).sum(-1)
            found = p.weight(INSIDE, kind, over) * ((given[0] - given[1]) ** 2).sum(-1) if kind != over else expected
            torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(p.weight(INSIDE, "likelihood"), -2 * p.half_log_snr_dot(INSIDE), rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_default_reverse_noise_is_finite_at_the_noise(name):
    p = path(name)
    values = p.reverse_noise(torch.tensor([0.0, 1e-6, 0.5, 1 - 1e-6, 1.0], dtype=torch.float64))
    assert torch.isfinite(values).all() and (values[1:] > 0).all()


def test_the_published_formulas_come_out():
    vp, gvp, linear = path("LinearVP"), path("GVP"), path("Linear")
    for t in (0.1, 0.5, 0.9):
        assert vp.drift(t) == pytest.approx(-(0.1 + t * 19.9) / 2)
        assert vp.diffusion(t) == pytest.approx(0.1 + t * 19.9)
        assert gvp.diffusion(t) == pytest.approx(math.pi * math.tan(math.pi * t / 2))
        assert linear.diffusion(t) == pytest.approx(2 * t / (1 - t))
        l = vp.half_log_snr(t)
        big = math.log1p(math.exp(-2 * l))
        assert vp.time_of(l) == pytest.approx(2 * big / (math.sqrt(0.1**2 + 2 * 19.9 * big) + 0.1))
        assert gvp.time_of(gvp.half_log_snr(t)) == pytest.approx(t)
    s = np.linspace(0.01, 70, 5)  # EDM's own preconditioning, from its paper
    edm = path("EDM")
    for sigma in s:
        t = edm.time_of(-math.log(sigma))
        a, b = edm.conversion("F", "data")
        assert a(t) == pytest.approx(0.25 / (sigma**2 + 0.25)) and b(t) == pytest.approx(
            sigma * 0.5 / math.sqrt(sigma**2 + 0.25)
        )


def test_every_script_takes_the_equations(katex_errors):
    assert katex_errors([path(name).latex() for name in NAMES]) == []


def test_plain_latex_and_mathtext_take_the_equations(mathtext_errors, foreign_commands):
    for name in ("CosineVP", "own exponential"):
        printed = path(name).latex()
        assert foreign_commands(printed) == []
        rows = [row.strip().removesuffix("\\\\").replace("&", "") for row in printed.splitlines()[1:-1]]
        assert mathtext_errors(rows) == []

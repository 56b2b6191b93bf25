"""What is no path is refused when it is built, with the reason; and what paths are in formulas."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import sympy
import torch

import probrl as pr
from probrl.errors import DataError, ExpressionError
from probrl.paths import GaussianPath, Linear, LinearVP, t

HALF = sympy.Rational(1, 2)
REFUSED = {
    "swapped ends": ((t, 1 - t), {}, "put 1 - t for t"),
    "sigma falls": ((1 - t, 1 - t / 2), {}, "sigma has to grow"),
    "no data": ((t, t), {}, "nothing of the data is left"),
    "no noise": ((1 - t / 2, t * (1 - t)), {}, "no noise at the end"),
    "negative": ((1 - t, t - sympy.Rational(1, 4)), {}, "sigma is negative at t = "),
    "negative alpha": ((sympy.cos(sympy.pi * t), t), {}, "alpha is negative at t = 0.5"),
    "zero inside": ((sympy.Max(1 - 2 * t, 0), t), {}, "alpha is zero at t = 0.5"),
    "undefined inside": ((1 - t, sympy.sqrt(t - sympy.Rational(1, 10))), {}, "not a finite real number at t = 1e-06"),
    "pole": ((1 - t, t / sympy.Abs(t - sympy.Rational(1, 2))), {}, "not a finite real number at t = 0.5"),
    "not decreasing": ((1 - t, t + sympy.sin(4 * sympy.pi * t) / 5), {}, "does not decrease between t = "),
    "constant ratio": ((1, 1), {}, "does not decrease"),
    "jump": ((sympy.Piecewise((1 - t, t < HALF), (HALF - t / 3, True)), t), {}, "alpha jumps at t = 0.5, by 0.1667"),
    "small jump": (
        (1 - t, sympy.Piecewise((t, 3 * t < 1), (t + sympy.Rational(1, 500), True))),
        {},
        "sigma jumps at t = 0.3333",
    ),
    "free symbol": ((sympy.exp(-sympy.Symbol("k") * t), t), {}, "the symbol k has no value"),
    "no symbol": ((1 - t, t), {"k": 1.0}, "no formula has a symbol k"),
    "no number": ((sympy.exp(-sympy.Symbol("k") * t), t), {"k": float("nan")}, "finite number"),
    "text": (("1 - t", t), {}, "not a sympy formula"),
    "a function": ((lambda t: 1 - t, t), {}, "not a sympy formula"),
    "a tensor": ((torch.ones(3), t), {}, "not a sympy formula"),
    "data of no width": ((1 - t, t), {"sigma_data": 0.0}, "standard deviation of the data is positive"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_path(case):
    (alpha, sigma), options, reason = REFUSED[case]
    with pytest.raises(ExpressionError) as refused:
        GaussianPath(alpha, sigma, **options)
    assert reason in str(refused.value)


def test_the_nearest_right_ones_are_accepted():
    GaussianPath(1 - t, t)
    GaussianPath(1 - t, sympy.Rational(1, 2) + t / 2)
    GaussianPath(sympy.cos(sympy.pi * t / 2), t)
    GaussianPath(sympy.exp(-sympy.Symbol("k") * t), t, k=3)
    GaussianPath(sympy.Piecewise((1 - t, t < HALF), (HALF - sympy.sqrt(t - HALF) / 2, True)), t)  # steep, and no jump
    GaussianPath(sympy.Piecewise((1 - t, t < HALF), (HALF - (t - HALF) / 2, True)), t)
    assert LinearVP(beta_0=np.float32(0.5)).alpha(0.0) == 1


def test_words_that_are_not_known():
    path = Linear()
    with pytest.raises(ExpressionError, match="'epsilon' is not a prediction; there are score, noise"):
        path.convert(1.0, 1.0, 0.5, source="epsilon", target="data")
    with pytest.raises(ExpressionError, match="is not a weight"):
        path.weight(0.5, "vanilla")
    with pytest.raises(ExpressionError, match="reverse noise 'big'"):
        path.reverse_noise(0.5, "big")
    with pytest.raises(ExpressionError, match="not negative"):
        path.reverse_noise(0.5, -1.0)
    with pytest.raises(ExpressionError, match="give it an expression, a tensor or a number"):
        path.alpha("0.5")


def test_equal_paths_are_one_formula_and_different_ones_print_apart():
    s, x = pr.symbols("s"), pr.symbols("x", rank=1)
    assert LinearVP().alpha(s) is LinearVP().alpha(s) and LinearVP() == LinearVP() and hash(Linear()) == hash(Linear())
    assert LinearVP().alpha(s) is not LinearVP(beta_1=10.0).alpha(s) and LinearVP() != LinearVP(beta_1=10.0)
    both = pr.mean(pr.sqnorm(LinearVP().alpha(s) * x) + pr.sqnorm(Linear().alpha(s) * x))
    assert r"\alpha(s)" in both.latex() and r"\alpha_2(s)" in both.latex()
    assert LinearVP().alpha(s).digest != LinearVP(beta_1=10.0).alpha(s).digest
    again = pickle.loads(pickle.dumps(LinearVP()))
    assert again == LinearVP() and again.alpha(s) is LinearVP().alpha(s) and copy.deepcopy(again) is again


def test_a_loss_prints_with_the_paths_own_formulas():
    x, s = pr.symbols("x", rank=1), pr.symbols("s")
    loss = pr.mean(pr.sqnorm(LinearVP().perturb(x, pr.noise(like=x), s)))
    assert r"\alpha(s)\, x" in loss.latex() and r"\alpha(\tau) & = \exp" in loss.latex()
    assert r"\beta_0 & = 0.1" in loss.latex()
    assert r"\exp\left( -\frac{\beta_0\, s}{2}" in loss.latex(expand=True)


def test_shapes_types_and_gradients():
    path, x = LinearVP(), torch.randn(4, 3, 2)
    at = torch.rand(4, requires_grad=True)
    assert path.perturb(x, x, at).shape == (4, 3, 2) and path.perturb(x, x, 0.5).dtype is torch.float32
    assert path.alpha(at.half()).dtype is torch.float16 and path.alpha(torch.tensor(1)).dtype is torch.float32
    assert path.alpha(0.5) == path.alpha(torch.tensor(0.5, dtype=torch.float64)).item()
    (slope,) = torch.autograd.grad(path.sigma(at).sum(), at)
    torch.testing.assert_close(slope, path.sigma_dot(at.detach()))
    assert pr.paths.VE().alpha(torch.rand(2, 2)).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_the_inverse_without_a_closed_form_has_a_gradient():
    path = GaussianPath(1 - t + sympy.sin(2 * sympy.pi * t) / 10, t - sympy.sin(2 * sympy.pi * t) / 15)
    l = torch.tensor([2.0, 0.0, -2.0], dtype=torch.float64, requires_grad=True)
    at = path.time_of(l)
    (slope,) = torch.autograd.grad(at.sum(), l)
    torch.testing.assert_close(slope, 1 / path.half_log_snr_dot(at.detach()))
    assert str(path.time_of(pr.symbols("l", rank=0))) == "ℓ^{-1}(l)"


def test_a_picture():
    assert Linear().png()[:4] == b"\x89PNG"


def test_the_room_is_loaded_when_it_is_asked_for():
    program = (
        "import sys, probrl; print('probrl.paths' in sys.modules); probrl.paths.t; print('probrl.paths' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "True"]


def test_a_loss_with_its_path_written_out_has_no_letters_that_stand_for_letters():
    own = GaussianPath(1 - t**2, sympy.sin(sympy.pi * t / 2))
    page = pr.mean(pr.Diffusion("x", pr.networks.TimeMLP(2), path=own, weight="likelihood").matching(pr.symbols("x")))
    lines = page.latex(expand=True).splitlines()
    defined = [line.split(" & = ")[1].removesuffix(r" \\") for line in lines if " & = " in line]
    assert defined and not any(re.fullmatch(r"(\\tilde\{)?[a-z]\}?(_\d+)?", body) for body in defined)


@pytest.mark.parametrize("at", [1.5, -0.1, 2, float("nan")])
def test_times_outside_are_refused(at):
    with pytest.raises(DataError, match=rf"alpha at t = {at:g}: times are in \[0, 1\]"):
        pr.paths.GVP().alpha(at)

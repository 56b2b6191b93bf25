"""Formulas to sympy and back: algebra, derivatives, substitution, and the numpy evaluation on named axes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
import torch

import probrl as pr
from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.symbolic import from_sympy, reading, to_sympy

t = sympy.Symbol("t", real=True)


def test_arithmetic_is_sympy():
    x, y = pr.symbols("x y")
    formula = to_sympy((x + y) ** 2 - 2 * x * y)
    assert formula.expand() == sympy.Symbol("x", real=True) ** 2 + sympy.Symbol("y", real=True) ** 2
    assert to_sympy(x - x) == 0
    assert to_sympy(pr.sqrt(x**2)) == sympy.Abs(sympy.Symbol("x", real=True))
    assert to_sympy(x * 0.5) == sympy.Symbol("x", real=True) / 2


def test_formulas_that_are_alike_differ_by_zero():
    x, y = pr.symbols("x y")
    a, b = (x - y) ** 2, (y - x) ** 2
    assert a is not b and sympy.expand(to_sympy(a) - to_sympy(b)) == 0


def test_a_constant_keeps_its_letter_and_a_parameter_its_sign():
    epsilon, alpha = pr.constant("epsilon", 0.2), pr.parameter("alpha", 0.3, positive=True)
    formula = to_sympy(epsilon * alpha)
    assert {s.name: s.is_positive for s in formula.free_symbols} == {"epsilon": True, "alpha": True}
    assert to_sympy(pr.log(pr.exp(pr.parameter("b", 1.0)))) == sympy.Symbol("b", real=True)


def test_means_are_linear_in_parameters():
    x, alpha = pr.symbols("x"), pr.parameter("alpha", 0.3)
    formula = to_sympy(pr.mean(alpha * x**2))
    (symbol,) = [s for s in formula.free_symbols if s.name == "alpha"]
    assert str(formula.diff(symbol)) == "mean(x**2)"


def test_networks_roles_and_draws_are_told_apart():
    s = pr.symbols("s", rank=1)
    V = pr.Deterministic("v | s", pr.mlp(3, 1), name="V")
    names = str(to_sympy(pr.mean(V(s) * V.target(s) + pr.noise(like=V(s)) + pr.noise(like=V(s)))))
    assert "V(s)" in names and "V_target(s)" in names and "epsilon_2" in names


def test_two_things_of_one_name_get_two_names():
    x = pr.symbols("x")
    formula = to_sympy(x * pr.constant("x", 2.0))
    assert {s.name for s in formula.free_symbols} == {"x", "x_2"}


def test_evaluation_on_named_axes_with_masks():
    time = pr.Axis("time", mask="valid")
    u, w = pr.symbols("u", axes=time), pr.symbols("w")
    values = {"u": np.arange(6.0).reshape(2, 3), "w": np.array([1.0, 10.0]), "valid": np.array([[1, 1, 0], [1, 0, 0]])}
    found = reading(pr.mean(u * w)).evaluate(values, gradients=True)
    assert float(found.value) == pytest.approx((0 * 1 + 1 * 1 + 3 * 10) / 3)
    by_name = {x.name: g for x, g in found.gradients.items() if isinstance(x, n.Symbol)}
    np.testing.assert_allclose(by_name["w"], [1 / 3, 3 / 3])
    np.testing.assert_allclose(by_name["u"], [[1 / 3, 1 / 3, 0], [10 / 3, 0, 0]])


def test_the_executed_value_is_the_evaluated_one():
    x, y = pr.symbols("x y")
    formula = pr.mean(pr.standardize(x) * pr.logsumexp(pr.stack([x, y, x * y], "i")))
    batch = {"x": torch.randn(5, dtype=torch.float64), "y": torch.randn(5, dtype=torch.float64)}
    expected = reading(formula).evaluate({k: v.numpy() for k, v in batch.items()}).value
    assert float(formula(batch)) == pytest.approx(float(expected), abs=1e-12)


def test_a_missing_value_is_named():
    with pytest.raises(DataError, match="y"):
        reading(pr.mean(pr.symbols("x") + pr.symbols("y"))).evaluate({"x": np.ones(3)})


FORMULAS = [
    sympy.cos(sympy.pi * t / 2),
    sympy.sqrt(1 - t**2) / (1 + t),
    sympy.exp(-2 * t) - t**3 / 3,
    sympy.log(1 + t) * sympy.tanh(t) + sympy.Abs(t - 0.25),
    sympy.Piecewise((t, t < 0.5), (1 - t, True)),
    sympy.Min(t, 1 - t) + sympy.Max(t**2, 0.3) + sympy.sign(t - 0.5) + sympy.floor(3 * t),
    sympy.loggamma(t + 1) + sympy.digamma(t + 1) + sympy.tan(t) + sympy.sinh(t) - sympy.cosh(t),
    sympy.atan(3 * t) + sympy.acot(t + 1) - sympy.asin(t / 2) + sympy.acos(t),
    1 / (t + 2) ** 2 - sympy.Rational(3, 7) * sympy.E * t,
    sympy.Integer(50) ** (2 - 2 * t) / 7 + (t + 1) ** (-t),
]


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_sympy_formulas_come_back_and_mean_the_same(formula):
    symbol = pr.symbols("t", rank=0)
    expr = from_sympy(formula, {t: symbol})
    at = np.array([0.1, 0.4, 0.7, 0.9])
    expected = [float(formula.subs(t, float(v))) for v in at]
    np.testing.assert_allclose(expr({"t": torch.tensor(at)}).numpy(), expected, rtol=1e-7)
    back = to_sympy(expr)
    constants = {x: {"pi": math.pi, "e": math.e}[x.name] for x in back.free_symbols if x.name in ("pi", "e")}
    there = [float(back.subs(constants).subs(t, float(v))) for v in at]
    np.testing.assert_allclose(there, expected, rtol=1e-7)


def test_what_has_no_counterpart_is_refused():
    x = pr.symbols("x")
    with pytest.raises(ExpressionError, match="erf"):
        from_sympy(sympy.erf(t), {t: x})
    with pytest.raises(ExpressionError, match="stands for nothing"):
        from_sympy(t + sympy.Symbol("k"), {"t": x})
    with pytest.raises(ExpressionError, match="no value outside"):
        from_sympy(sympy.Piecewise((t, t < 1)), {t: x})
    with pytest.raises(ExpressionError, match="not a real number"):
        from_sympy(sympy.I * t, {t: x})

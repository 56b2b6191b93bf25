"""A function that has no value in rows that are masked out (log 0, 1/0) never spoils a value or a gradient there."""

from __future__ import annotations

import pytest
import torch

import probrl as pr
from probrl.errors import ExpressionError

TIME = pr.Axis("time", mask="valid")
FORMULAS = {
    "log": lambda x, y: pr.log(x) * y,
    "quotient": lambda x, y: y / x,
    "root": lambda x, y: pr.sqrt(x) + y,
    "power": lambda x, y: x ** (-1.5) * y,
    "exponential": lambda x, y: pr.exp(1000 * (1 - x)) * y,
    "lgamma": lambda x, y: pr.lgamma(x) - pr.digamma(x) + y,
    "ratio of exponentials": lambda x, y: pr.exp(1 / x) / pr.exp(y),
    "standardized": lambda x, y: pr.standardize(pr.log(x)) * y,
    "reduced along time": lambda x, y: pr.log(x).mean("time") * y,
    "reduced along batch": lambda x, y: (pr.log(x) - pr.log(x).mean("batch")) * y,
    "recursion": lambda x, y: pr.recursion(lambda z: pr.tanh(z + pr.log(x)) * y, init=0, over="time", reverse=True),
    "affine recursion": lambda x, y: pr.recursion(lambda z: 0.5 * z + pr.log(x) * y, init=0, over="time"),
}


@pytest.mark.parametrize("foreign", [0.0, -1.0])
@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_gradients_stay_those_of_the_valid_rows(name, foreign):
    torch.manual_seed(0)
    x = pr.symbols("x", axes=TIME)
    s = pr.symbols("s", rank=1, axes=TIME)
    V = pr.Deterministic("v | s", pr.mlp(2, 4, 1), name="V").double()
    valid = torch.tensor([[True, True, False], [False, True, False], [True, True, True]])
    base = torch.rand(3, 3, dtype=torch.float64) + 1.0
    states = torch.randn(3, 3, 2, dtype=torch.float64)
    loss = pr.mean(FORMULAS[name]((V(s) ** 2 + 0.5) * x, V(s)))

    def run(fill):
        value = loss({"x": torch.where(valid, base, fill), "s": states, "valid": valid})
        return value, torch.autograd.grad(value, list(V.parameters()))

    (value, slopes), (truth, true_slopes) = run(foreign), run(1.5)
    torch.testing.assert_close(value, truth)
    for a, b in zip(slopes, true_slopes, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_nan_in_rows_that_do_not_count_reaches_no_parameter(backend):
    u = pr.symbols("u", axes=TIME)
    w = pr.parameter("w", 1.0)
    loss = pr.mean(pr.log(u * w))
    batch = {"u": torch.tensor([[1.0, 2.0, float("nan")]]), "valid": torch.tensor([[True, True, False]])}
    value = loss(batch)
    (gradient,) = torch.autograd.grad(value, list(_held(w)))
    assert float(value.detach()) == pytest.approx(0.3465736) and float(gradient) == pytest.approx(1.0)
    prepare = pr.Prepare(v=u * w)
    program = pr.Program(
        prepare, pr.Minimize(pr.mean(pr.log(u * w) + prepare["v"] * w), wrt=w, optimizer=pr.Adam(0.01))
    )
    assert float(program.compile(backend=backend, seed=0)(batch)["finite"]) == 1


def _held(w):
    from probrl.graph.cells import tensor_of

    return [tensor_of(w.cell)]


@pytest.mark.parametrize("op", ["sum", "mean", "min", "max"])
def test_along_any_axis_of_the_data_only_rows_that_count_are_reduced_and_the_page_says_so(op):
    x = pr.symbols("x", axes=TIME)
    torch.manual_seed(1)
    values, valid = torch.randn(5, 4), torch.rand(5, 4) < 0.6
    valid[0], valid[:, 0] = True, True
    for axis, dim in (("time", 1), ("batch", 0)):
        formula = getattr(x, op)(axis)
        rows = [values.select(1 - dim, i)[valid.select(1 - dim, i)] for i in range(values.shape[1 - dim])]
        expected = torch.stack([getattr(torch, {"min": "amin", "max": "amax"}.get(op, op))(row) for row in rows])
        torch.testing.assert_close(formula({"x": values, "valid": valid}), expected)
        pr.mean(formula * x).check({"x": values, "valid": valid})
        assert ": m" in formula.text().splitlines()[0]


def test_a_mask_that_has_been_reduced_away_is_missed_by_name():
    x = pr.symbols("x", axes=TIME)
    for reduce in (lambda y: y.mean("time"), pr.mean):
        with pytest.raises(ExpressionError, match=r"has 'time' and no longer 'batch'.*x\.mean\('batch', 'time'\)"):
            reduce(x.mean("batch"))
    assert x.mean("batch", "time").type.axes == () == x.mean("time").mean("batch").type.axes

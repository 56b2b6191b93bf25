"""Text: one line of unicode, the same decisions as LaTeX, values beside terms."""

from __future__ import annotations

from io import StringIO

import pytest
import torch

import probrl as pr
from probrl.expr.base import show
from tests.laws.formulas import corpus

x, y, z, v, w = pr.symbols("x y z", rank=0) + pr.symbols("v w", rank=1)
eps = pr.constant("epsilon", 0.2)


@pytest.mark.parametrize(
    ("expr", "printed"),
    [
        (x - 0.5 * y + (-0.5) * z, "x - 0.5 y + (-0.5) z"),
        (x / y / z, "(x / y) / z"),
        (x * y / z, "x y / z"),
        (x / (y * z), "x / (y z)"),
        (x * (y / z), "x (y / z)"),
        ((x + y) ** 2, "(x + y)²"),
        (x ** (y + 1), "x^(y + 1)"),
        (pr.exp(-x) * 2, "exp(-x) · 2"),
        (pr.minimum(x, pr.clip(y, 1 - eps, 1 + eps)), "min(x, clip(y, 1 - ϵ, 1 + ϵ))"),
        (pr.mean(x - y), "mean_𝒟[x - y]"),
        (pr.sqnorm(v - w), "‖v - w‖²"),
        (pr.sum_event(v * w), "Σ_d[v_d w_d]"),
        (pr.symbols("s_next", rank=0) * pr.symbols("rho_bar", rank=0), "s' ρ̄"),
        (pr.stop_gradient(x < y), "sg[1[x < y]]"),
        (pr.abs(x) + pr.floor(y), "|x| + ⌊y⌋"),
    ],
)
def test_reads_as_written(expr, printed):
    assert show(expr) == printed


def test_str_explains_its_letters():
    ratio = (x / y).named("ratio")
    assert str(ratio * eps) == "ratio ϵ\nwhere\n  ratio = x / y\n      ϵ = 0.2"


def test_the_line_of_a_message_is_one_line():
    assert not [f for f in corpus().values() if "\n" in show(f)]


def test_a_very_long_line_is_cut():
    long = sum((pr.tanh(x * i + y) for i in range(200)), start=x)
    assert len(show(long)) <= 400


def test_values_stand_beside_the_terms():
    policy, value = (-(x * y)).named("policy"), ((x - y) ** 2).named("value")
    batch = {"x": torch.tensor([1.0, 2.0]), "y": torch.tensor([3.0, 5.0])}
    lines = pr.mean(policy + 0.5 * value - 0.1 * y).text(batch).splitlines()
    assert lines[-4:] == ["total   -3.65", "policy  -6.5", "value   6.5", "-0.1 y  -0.4"]


def test_values_of_rows_are_summed_up():
    batch = {"x": torch.tensor([1.0, 2.0, 6.0])}
    assert (x * 2).text(batch).splitlines()[-1].endswith("6 on average, from 2 to 12")


def test_rich_shows_brackets_as_they_are():
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=80, record=True, file=StringIO())
    console.print(pr.mean(x).text())
    assert "mean_𝒟[x]" in console.export_text()

"""Values that random formulas do not show: ties, numbers at their limits, rows that do not count, permutations of three."""

from __future__ import annotations

import math
import operator

import pytest
import torch

import probrl as pr

x = pr.symbols("x", rank=0)
TIME = pr.Axis("time", mask="valid")
EPISODE = {"u": torch.tensor([[1.0, 2.0, 3.0, 9.0]]), "valid": torch.tensor([[True, True, False, True]]),
           "z": torch.tensor([7.0])}  # fmt: skip
u, z = pr.symbols("u", rank=0, axes=TIME), pr.symbols("z", rank=0)


@pytest.mark.parametrize("relation", [operator.lt, operator.le, operator.gt, operator.ge])
@pytest.mark.parametrize("column", [torch.tensor([1, 2, 3]), torch.tensor([1.0, 2.0, 3.0])], ids=["integers", "floats"])
def test_a_relation_says_what_it_prints_where_both_sides_are_equal(relation, column):
    assert relation(x, 2)({"x": column}).tolist() == [float(relation(v, 2)) for v in (1, 2, 3)]
    assert relation(x, z)({"x": column, "z": torch.tensor([1.0, 2.0, 4.0])}).tolist() == [
        float(relation(a, b)) for a, b in ((1, 1), (2, 2), (3, 4))
    ]


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_least_and_the_greatest_are_of_rows_that_count(sign):
    counted = [sign * v for v in (1.0, 2.0, 9.0)]
    assert float((sign * u).max("time")(EPISODE)) == max(counted)
    assert float((sign * u).min("time")(EPISODE)) == min(counted)


@pytest.mark.parametrize("step", [lambda h: pr.tanh(h) + u, lambda h: 0.5 * h + u], ids=["by a scan", "linear"])
def test_at_a_row_that_does_not_count_a_recursion_is_what_it_starts_from(step):
    h = pr.recursion(step, init=z, over="time")
    assert float(h.at(time=2)(EPISODE)) == 7.0


def test_a_permutation_of_three_is_not_its_inverse():
    order = pr.symbols("order", rank=1).to_axis("k")
    items = pr.stack([10 + 0 * x, 20 + 0 * x, 30 + 0 * x], "k")
    value = items.at(k=order).to_event("k")({"x": torch.zeros(1), "order": torch.tensor([[1, 2, 0]])})
    assert value.tolist() == [[20.0, 30.0, 10.0]]


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        (pr.softplus(pr.constant("c", 1000.0)), 1000.0),
        (pr.sigmoid(pr.constant("c", -1000.0)), 0.0),
        (pr.exp(pr.constant("c", 1000.0)), math.inf),
        (pr.log(pr.constant("c", 0.0)), -math.inf),
        (pr.log(pr.constant("c", -1.0)), math.nan),
        (pr.sqrt(pr.constant("c", -1.0)), math.nan),
        (pr.constant("c", 1.0) / 0, math.inf),
        (pr.constant("c", 10.0) ** 400, math.inf),
        (pr.constant("c", 0) ** -1, math.inf),
    ],
    ids=str,
)
def test_numbers_are_folded_as_columns_are_computed(formula, value):
    assert float(pr.mean(formula + 0 * x)({"x": torch.ones(2)})) == pytest.approx(value, nan_ok=True)

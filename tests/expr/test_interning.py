"""Equal formulas are one object; the order is the author's; nothing of Python's is silently taken for mathematics."""

from __future__ import annotations

import copy
import gc
import pickle

import pytest

import probrl as pr
from probrl.errors import ExpressionError
from probrl.expr import nodes as n


def test_equal_formulas_are_one_object():
    x, y = pr.symbols("x y")
    assert pr.exp(x) * y is pr.exp(x) * y
    assert pr.symbols("x") is x
    assert x + y is not y + x
    assert pr.mean(x) is not pr.sum(x)


def test_constants_are_interned_by_type_and_repr():
    x = pr.symbols("x")
    assert x * 1 is not x * 1.0
    assert x * 0.0 is not x * -0.0
    assert pr.constant("a", 0.2) is pr.constant("a", 0.2)
    assert pr.constant("a", 0.2) is not pr.constant("b", 0.2)
    assert pr.constant("a", 0.2) is not n.Number(0.2, None)
    assert x * float("nan") is x * float("nan")


def test_a_draw_is_a_value_and_two_draws_are_two():
    x = pr.symbols("x")
    first, second = pr.noise(like=x), pr.noise(like=x)
    assert first is not second
    assert first - first is first - first


def test_equality_is_identity_and_equal_is_the_indicator():
    x, y = pr.symbols("x y")
    assert (x == y) is False and (x == x) is True
    assert isinstance(pr.equal(x, y), n.Compare)
    assert len({x, y, pr.symbols("x")}) == 2


def test_formulas_are_immutable_and_copies_are_themselves():
    x = pr.symbols("x")
    formula = pr.mean(x**2)
    with pytest.raises(ExpressionError, match="immutable"):
        formula.op = "sum"
    assert copy.copy(formula) is formula and copy.deepcopy([formula])[0] is formula
    assert pickle.loads(pickle.dumps(formula)) is formula


def test_what_nobody_holds_is_forgotten():
    from probrl.expr.base import _interned

    x = pr.symbols("x")
    made = pr.sin(x) + 12345.678
    gc.collect()
    before = len(_interned)
    del made
    gc.collect()
    assert len(_interned) < before


def test_operators_keep_the_order_of_the_author():
    x, y = pr.symbols("x y")
    assert (x - y).x is x and (x - y).y is -y
    assert (2 - x).x is n.Number(2, None)
    assert (x / y).y is n.Pow(y, n.Number(-1, None))
    assert (2**x).x is n.Number(2, None)
    assert -(-x) is not x  # noqa: B002 - the two signs are the point
    assert -n.Number(2, None) is n.Number(-2, None)
    assert +x is x and abs(x) is pr.abs(x)
    assert (x > 1) is (x > 1)


def test_numbers_are_lifted_and_nothing_else():
    x = pr.symbols("x")
    assert (x + 1).y is n.Number(1, None)
    for foreign in (True, x == 1, "a", None, [1.0], object()):
        with pytest.raises(ExpressionError, match="beside x"):
            x + foreign

"""The rank of a symbol is settled by its declaration, else by the distributions it is handed to, else it is a scalar."""

from __future__ import annotations

import pytest

import probrl as pr
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.ranks import settle
from probrl.expr.traversal import everything, walk


def ranks(*roots):
    return {x.name: x.rank for x in walk(*settle(*roots), through=everything) if isinstance(x, n.Symbol)}


def test_a_symbol_in_arithmetic_is_a_scalar():
    x, y = pr.symbols("x y")
    assert ranks(pr.mean(x * y)) == {"x": 0, "y": 0}


def test_a_declaration_holds_for_every_use():
    x = pr.symbols("x", rank=1)
    assert ranks(pr.mean(pr.sqnorm(x))) == {"x": 1}
    again = pr.symbols("x")
    assert ranks(pr.mean(pr.sqnorm(x)) + pr.mean(pr.sum_event(again))) == {"x": 1}


def test_distributions_settle_what_they_are_handed():
    s, a, b = pr.symbols("s a b")
    pi, mu = pr.Categorical("a | s"), pr.Normal("b | s")
    found = ranks(pr.mean(pi(s).log_prob(a) + mu(s).log_prob(b)))
    assert found["a"] == 0 and found["b"] == 1
    assert found["s"] is None  # only handed on to networks: it may be an image


def test_a_symbol_used_as_a_scalar_and_as_a_vector_is_refused():
    s, a = pr.symbols("s a")
    pi, mu = pr.Categorical("a | s"), pr.Normal("a | s")
    with pytest.raises(ExpressionError, match="declare which it is"):
        settle(pr.mean(pi(s).log_prob(a) + mu(s).log_prob(a)))


def test_settling_is_idempotent_and_keeps_what_is_settled():
    x = pr.symbols("x", rank=0)
    (once,) = settle(pr.mean(x**2))
    assert once is pr.mean(x**2)
    assert settle(once) == (once,)


def test_formulas_settle_each_other():
    x = pr.symbols("x")
    first, second = settle(pr.mean(pr.sqnorm(pr.symbols("x", rank=1))), pr.mean(pr.sum_event(x)))
    assert ranks(first, second) == {"x": 1}

"""Law 4: every node has every reading."""

from __future__ import annotations

import pytest

import probrl as pr
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.inference import infer
from probrl.expr.traversal import everything, walk
from probrl.graph.rules import rule
from probrl.symbolic import kernels, reading
from probrl.symbolic.rules import translate
from tests.laws.cases import cases, world
from tests.laws.interpreter import Interpreter

ELEMENTWISE = (n.Symbol, n.Number, n.State, n.Noise, n.Add, n.Mul, n.Pow, n.Unary, n.Extremum)
SUPPLIED = (n.Call, n.Item, n.Derivative, n.Recursion, n.Definition)  # their values are handed to the sympy reading
QUESTIONS = {
    "type": (infer, ()),
    "graph": (rule, ()),
    "sympy": (translate, ()),
    "sympy, in numpy": (kernels.forward, ELEMENTWISE + SUPPLIED),
    "sympy, its derivative": (kernels.backward, ELEMENTWISE + SUPPLIED),
    "interpreter": (vars(Interpreter)["of"].dispatcher, ()),
}
READINGS = {
    "latex": lambda x, case: x.latex(),
    "text": lambda x, case: x.text(),
    "str": lambda x, case: str(x),
    "sympy": lambda x, case: x.sympy(),
    "gradients": lambda x, case: str(x.gradients()),
    "graph": lambda x, case: x.graph().code,
    "code": lambda x, case: x.code,
    "digest": lambda x, case: x.digest,
    "value": lambda x, case: x(world().batch, noise=case.noise),
    "check": lambda x, case: x.check(world().batch),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_node_is_answered(question):
    function, exempt = QUESTIONS[question]
    silent = [t.__name__ for t in n.NODES if t not in exempt and function.dispatch(t) is function.dispatch(object)]
    assert silent == []


def test_the_set_is_closed():
    assert len(n.NODES) == 24
    assert {t for t in vars(n).values() if isinstance(t, type) and issubclass(t, Expr) and t is not Expr} == set(
        n.NODES
    )


def smallest(kind: type[Expr]):
    """The smallest of the random formulas that has a node of a kind."""
    having = [c for c in cases() if any(type(x) is kind for x in walk(c.expr, through=everything))]
    return min(having, key=lambda c: sum(1 for _ in walk(c.expr, through=everything)))


@pytest.mark.parametrize("kind", n.NODES, ids=lambda t: t.__name__)
def test_every_node_has_every_reading(kind):
    case = smallest(kind)
    for name, read in READINGS.items():
        assert read(case.expr, case) is not None, name


def test_every_operation_is_known_to_every_reading():
    x = pr.symbols("x")
    for op in n.UNARY:
        formula = pr.mean(n.Unary(op, x))
        assert formula.latex() != pr.mean(x).latex()
        assert reading(formula).formula is not None
    for op in n.COMPARE:
        assert pr.mean(n.Compare(op, x, n.Number(0, None))).latex() != pr.mean(x).latex()

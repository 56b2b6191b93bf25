"""Walking, rebuilding, substituting; what a formula depends on; recursions that are affine."""

from __future__ import annotations

import sys

import torch

import probrl as pr
from probrl.expr import nodes as n
from probrl.expr.recursion import affine, unbound
from probrl.expr.traversal import children, depends, everything, executed, rebuild, substitute, transform, walk
from tests.laws.cases import cases


def test_a_node_rebuilt_from_its_children_is_itself():
    for case in cases(60):
        for node in walk(case.expr, through=everything):
            assert rebuild(node, children(node)) is node


def test_walk_gives_every_node_once_and_children_first():
    x, y = pr.symbols("x y")
    formula = pr.mean(pr.exp(x) * y + pr.exp(x))
    found = list(walk(formula))
    assert len(found) == len(set(found)) and found[-1] is formula
    for node in found:
        assert all(found.index(c) < found.index(node) for c in children(node))


def test_a_definition_is_written_as_its_arguments_and_run_as_its_body():
    x = pr.symbols("x")
    clipped = pr.clip(x, 0, 1)
    assert children(clipped)[0] is x
    assert executed(clipped) == (clipped.body,)
    assert clipped.body in everything(clipped)
    assert clipped.body is clipped.body


def test_substitution_reaches_into_definitions():
    x, y = pr.symbols("x y")
    assert substitute(pr.mean(pr.clip(x, 0, 1)), {x: y}) is pr.mean(pr.clip(y, 0, 1))
    named = (x * 2).named("double")
    assert substitute(named, {x: y}) is (y * 2).named("double")


def test_transform_works_from_the_leaves_up():
    x = pr.symbols("x")
    bigger = transform(x + (x + 1), lambda node: n.Number(2, None) if node is n.Number(1, None) else None)
    assert bigger is x + (x + 2)


def test_depends_looks_at_what_runs():
    x, y = pr.symbols("x y")
    assert depends(pr.mean(pr.clip(x, 0, 1)), x) and not depends(pr.mean(x), y)


def test_deep_formulas_are_walked_without_python_recursion():
    x = pr.symbols("x")
    formula = x
    for i in range(3000):
        formula = formula + i
    assert sum(1 for _ in walk(formula)) == 6001
    assert unbound(formula) == frozenset()


def recursion(body):
    return pr.recursion(body, init=0, over="time")


def test_affine_recursions_are_recognised():
    r, c = pr.symbols("r c", axes="time")
    factor, term = affine(recursion(lambda G: r + 0.9 * c * G))
    assert factor is 0.9 * c and term is r
    assert affine(recursion(lambda G: c * (r + G)))[0] is c
    assert affine(recursion(lambda G: (r + G).named("step"))) is not None
    assert affine(recursion(lambda G: r - G))[0] is n.Number(-1, None)


def test_what_is_not_affine_is_not_taken_for_it():
    r = pr.symbols("r", axes="time")
    for body in (
        lambda G: r + G * G,
        lambda G: r + pr.tanh(G),
        lambda G: pr.maximum(r, G),
        lambda G: r / (1 + G),
        lambda G: pr.stop_gradient(G) + r,
    ):
        assert affine(recursion(body)) is None
    pair = pr.recursion(lambda x, y: (r + y, x), init=(0, 0), over="time")
    assert affine(pair[0].x) is None


def test_the_variable_of_a_recursion_is_bound_by_it():
    r = pr.symbols("r", axes="time")
    kept = []
    total = pr.recursion(lambda G: (kept.append(G), r + G)[1], init=0, over="time")
    assert unbound(total) == frozenset()
    assert unbound(total.steps[0]) == {kept[-1]}
    assert unbound(pr.mean(total * 2)) == frozenset()


def test_deep_formulas_have_every_reading():
    x = pr.symbols("x")
    formula = x
    for _ in range(150):
        formula = pr.tanh(0.5 * formula + x)
    formula = pr.mean(formula)
    limit = sys.getrecursionlimit()
    assert formula({"x": torch.ones(3)}).isfinite()
    assert len(formula.digest) and len(formula.text()) and len(formula.latex()) and formula.sympy() is not None
    assert sys.getrecursionlimit() == limit

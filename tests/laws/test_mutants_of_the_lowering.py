"""The law bites: every one of these mistakes in the lowering changes a number or a gradient of a fixed sample."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import contextmanager

import pytest
import torch

import probrl  # noqa: F401 - fills the readings
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.graph import ops
from probrl.graph.function import Function
from probrl.graph.lowering import Lowering, Value
from probrl.graph.rules import rule
from probrl.graph.rules.closed import CLOSED
from probrl.graph.rules.pointwise import UNARY
from tests.laws.cases import CLOSE, Case, cases, gradients, world

SAMPLE = 108  # twice as many as the generator has productions


def disagrees(case: Case) -> bool:
    """Whether a freshly lowered formula differs from the truth; a formula that does not even run proves nothing."""
    try:
        value = Function({"value": case.expr})(world().batch, noise=case.noise)["value"]
        return not case.error(value.detach(), gradients(value, world().parameters())) < CLOSE
    except Exception:
        return False


@contextmanager
def instead(kind: type[Expr], change: Callable[[Expr], Expr]):
    """Lowers, in place of every node of a kind, a changed one."""
    original = rule.dispatch(kind)

    def mutant(node, to):
        new = change(node)
        return original(new, to) if type(new) is kind else to.lower(new)

    rule.register(kind, mutant)
    try:
        yield
    finally:
        rule.register(kind, original)


@contextmanager
def raw_cells():
    """Scalars as they are stored, the logarithm of a positive one too."""
    original = rule.dispatch(n.State)

    def mutant(node, to):
        original(node, to)
        return Value(to.placeholder("cell", node.cell, ""))

    rule.register(n.State, mutant)
    try:
        yield
    finally:
        rule.register(n.State, original)


@contextmanager
def replaced(owner, name: str, value):
    """Another function in the place of one of the lowering's."""
    original = getattr(owner, name)
    setattr(owner, name, value(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def entry(table: dict, key: str, value):
    original = table[key]
    table[key] = value
    try:
        yield
    finally:
        table[key] = original


def field(**changes) -> Callable[[Expr], Expr]:
    """A change of some fields of a node: to a value, or to what a table says of the old one."""

    def change(node: Expr) -> Expr:
        new = {f: getattr(node, f) for f in node.fields}
        for name, to in changes.items():
            new[name] = to.get(new[name], new[name]) if isinstance(to, dict) else to
        return type(node)(*new.values())

    return change


def number(x: Expr, value: float) -> bool:
    return isinstance(x, n.Number) and x.value == value and x.letter is None


def dropped_factor(x: Expr) -> Expr:
    return x.y if isinstance(x.x, (n.Number, n.State)) and not number(x.x, -1) else x


def dropped_sign(x: Expr) -> Expr:
    return n.Add(x.x, x.y.y) if isinstance(x.y, n.Mul) and number(x.y.x, -1) else x


def dropped_term(x: Expr) -> Expr:
    return x.x if isinstance(x.y, (n.Number, n.State)) else x


def cubed(x: Expr) -> Expr:
    return n.Pow(x.x, n.Number(3, None)) if number(x.y, 2) else x


def over(kind: str, old: str, new: str) -> Callable[[Expr], Expr]:
    def change(x: Expr) -> Expr:
        here = x.over if isinstance(x.over, str) else "index"
        return n.Reduce(new, x.x, x.over) if here == kind and x.op == old else x

    return change


def off_by_one(x: Expr) -> Expr:
    return n.At(x.x, x.axis, n.Number(0, None)) if number(x.index, 1) else x


def swapped(x: Expr) -> Expr:
    return n.Where(x.condition, x.y, x.x)


def of_size(original):
    return lambda x, mask, rows, dims: torch.where(mask, x, 0.0).mean(dims)


def by_position(original):
    def align(self, value, axes, rank):
        if value.number or len(value.axes) in (0, len(axes)) or value.rank != rank:
            return original(self, value, axes, rank)
        return original(self, value._replace(axes=axes[-len(value.axes) :]), axes, rank)

    return align


def one_noise(original):
    def placeholder(self, kind, key, name):
        shared = (key.law, key.type) if kind == "noise" else key
        return original(self, kind, shared, name)

    return placeholder


def without(name: str, value):
    """A function that gets a value of its own for one argument."""

    def make(original):
        import inspect

        parameters = list(inspect.signature(original).parameters)

        def mutant(*args):
            given = list(args)
            given[parameters.index(name)] = value(given[parameters.index(name)])
            return original(*given)

        return mutant

    return make


def logsumexp_without_log(node, to):
    exponentials = n.Reduce("sum", n.Unary("exp", node.args[0]), (dict(node.head.options)["axis"],))
    return to.lower(exponentials)


MUTANTS = {
    "a dropped factor": lambda: instead(n.Mul, dropped_factor),
    "a dropped sign": lambda: instead(n.Add, dropped_sign),
    "a dropped term": lambda: instead(n.Add, dropped_term),
    "a square that is a cube": lambda: instead(n.Pow, cubed),
    "min for max": lambda: instead(n.Extremum, field(op={"max": "min"})),
    "max for min": lambda: instead(n.Extremum, field(op={"min": "max"})),
    "sum for mean over the data": lambda: instead(n.Reduce, over("data", "mean", "sum")),
    "mean for sum over an event": lambda: instead(n.Reduce, over("event", "sum", "mean")),
    "mean for sum over an index": lambda: instead(n.Reduce, over("index", "sum", "mean")),
    "max for min over an index": lambda: instead(n.Reduce, over("index", "min", "max")),
    "a lost mask": lambda: replaced(Lowering, "mask", lambda _: lambda self, axes: None),
    "a masked mean over all rows": lambda: replaced(ops, "masked_mean", of_size),
    "swapped branches": lambda: instead(n.Where, swapped),
    "a relation turned round": lambda: instead(n.Compare, field(op={"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"})),
    "sigmoid for tanh": lambda: entry(UNARY, "tanh", UNARY["sigmoid"]),
    "a lost stop-gradient": lambda: instead(n.StopGradient, lambda x: x.x),
    "the live network for the target": lambda: instead(n.Call, field(role={"target": "live"})),
    "a frozen network that moves": lambda: instead(n.Call, field(role={"frozen": "live"})),
    "a live network that is held": lambda: instead(n.Call, field(role={"live": "frozen"})),
    "the first output for the second": lambda: instead(n.Item, field(index=0)),
    "an index that is off by one": lambda: instead(n.At, off_by_one),
    "argmin for argmax": lambda: instead(n.Arg, field(op={"max": "min"})),
    "stacked in reverse": lambda: instead(n.Join, lambda x: n.Join(x.items[::-1], x.axis)),
    "next for previous": lambda: replaced(ops, "shift", without("offset", lambda v: -v)),
    "no value before the start": lambda: replaced(ops, "shift", without("first", lambda v: 0)),
    "a shift over the end of an episode": lambda: replaced(ops, "shift", without("mask", lambda v: None)),
    "returns from the front": lambda: replaced(ops, "linear_recursion", without("reverse", operator.not_)),
    "a recursion from the back": lambda: replaced(ops, "scan", without("reverse", operator.not_)),
    "a recursion that never restarts": lambda: replaced(ops, "scan", without("mask", lambda v: None)),
    "returns without a start": lambda: replaced(ops, "linear_recursion", without("init", lambda v: 0)),
    "half a gradient": lambda: replaced(ops, "gradient", lambda f: lambda *a: 0.5 * f(*a)),
    "unit tangents": lambda: replaced(ops, "tangent", lambda f: lambda *a: torch.ones_like(f(*a))),
    "alignment by position": lambda: replaced(Lowering, "align", by_position),
    "one noise for all of a law": lambda: replaced(Lowering, "placeholder", one_noise),
    "a stored logarithm read as it is": raw_cells,
    "a sum of exponentials without its logarithm": lambda: entry(CLOSED, "logsumexp", logsumexp_without_log),
    "a clip that clips nothing": lambda: entry(CLOSED, "clip", lambda node, to: to.lower(node.args[0])),
}


def test_the_sample_is_right_without_a_mutant():
    assert not [c.seed for c in cases(SAMPLE) if disagrees(c)]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name):
    with MUTANTS[name]():
        caught = next((c.seed for c in cases(SAMPLE) if disagrees(c)), None)
    assert caught is not None, f"no formula of the sample notices {name}"

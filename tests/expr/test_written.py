"""Formulas of scalars as plain data: what is written is read back as the same formula."""

import json
import math

import pytest

import probrl as pr
from probrl.expr.written import from_plain, to_plain

FORMULAS = [
    3e-4 * (1 - pr.progress),
    pr.maximum(0.2 * (1 - pr.progress), 0.1),
    0.5 * (1 + pr.cos(math.pi * pr.progress)) * 1e-3,
    pr.clip(pr.exp(-3 * pr.progress), 0.1, 1) ** 2,
    pr.where(pr.iteration < 10, 1e-3, 1e-4 / (1 + pr.iteration)),
    pr.constant("epsilon", 0.2) * (1 - pr.progress),
    (1 - pr.progress).named("falling", "from one to zero"),
    pr.huber(pr.progress, 0.5),
    pr.progress,
]


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_it_comes_back_as_it_was(formula):
    assert from_plain(json.loads(json.dumps(to_plain(formula)))) is formula


def test_a_function_of_the_users_is_kept_as_what_it_computes():
    @pr.definition("half")
    def half(x):
        return x / 2

    assert from_plain(to_plain(half(pr.progress))) is pr.progress / 2


@pytest.mark.parametrize(
    "formula", [pr.symbols("x"), pr.parameter("alpha", 1.0) * 2, pr.state("m"), pr.mean(pr.symbols("x"))], ids=str
)
def test_what_is_more_than_scalars_is_not_kept(formula):
    assert to_plain(formula) is None


@pytest.mark.parametrize(
    "plain", [{}, {"node": "Call"}, {"scalar": "time"}, {"function": "os:getcwd", "args": [], "options": {}}]
)
def test_nothing_else_is_read(plain):
    with pytest.raises((KeyError, ValueError)):
        from_plain(plain)

"""Law 2: two formulas that differ in one node print otherwise, up to the association of equal operators."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import cache

import pytest

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.traversal import children, walk
from tests.laws.formulas import corpus
from tests.laws.generator import Generator, World
from tests.laws.mutants import changes, mutants, normal

READINGS: dict[str, Callable[[Expr], str]] = {"latex": Expr.latex, "text": Expr.text}


def collisions(formulas: Iterable[Expr], reading: Callable[[Expr], str]) -> list[tuple[str, Expr, Expr]]:
    """Pairs that print alike and are not the same."""
    seen: dict[str, tuple[Expr, Expr]] = {}
    found = []
    for x in formulas:
        printed = reading(x)
        form = normal(x)
        if printed not in seen:
            seen[printed] = (form, x)
        elif seen[printed][0] is not form:
            found.append((printed, seen[printed][1], x))
    return found


@cache
def family() -> list[Expr]:
    """The corpus and every mutant of it."""
    return list(dict.fromkeys(x for formula in corpus().values() for x in (formula, *mutants(formula))))


def said(found: list[tuple[str, Expr, Expr]]) -> str:
    return f"{len(found)} pairs print alike\n" + "\n\n".join(
        f"{printed}\n  {difference(x, y)}" for printed, x, y in found[:5]
    )


def difference(x: Expr, y: Expr) -> str:
    """The first nodes at which two formulas differ."""
    while type(x) is type(y) and len(children(x)) == len(children(y)):
        pairs = [(a, b) for a, b in zip(children(x), children(y), strict=True) if a is not b]
        if not pairs:
            break
        x, y = pairs[0]
    return f"{x!r}\n  {y!r}"


@pytest.mark.parametrize("reading", READINGS)
def test_the_corpus_and_all_its_mutants_print_differently(reading):
    found = collisions(family(), READINGS[reading])
    assert len(family()) > 3000
    assert not found, said(found)


@pytest.mark.parametrize("reading", READINGS)
def test_random_formulas_and_their_mutants_print_otherwise(reading):
    world, rng = World(), random.Random(1)
    generator = Generator(world, rng)
    for index in range(60):
        formula = generator.formula(index, depth=2)
        kept = list(mutants(formula))
        kept = rng.sample(kept, min(25, len(kept)))
        found = collisions([formula, *kept], READINGS[reading])
        assert not found, said(found)


@pytest.mark.parametrize("kind", n.NODES, ids=lambda k: k.__name__)
def test_every_node_is_in_the_corpus_and_has_mutants(kind):
    found = [x for formula in corpus().values() for x in walk(formula) if type(x) is kind]
    assert found, f"{kind.__name__} is in no formula of the corpus"
    assert any(type(y) is kind for x in found for y in changes(x)), f"{kind.__name__} has no mutant of its own"

"""The reference lists every public name, and each says what it is and what its arguments are."""

from __future__ import annotations

import inspect

import pytest
import reference
import sections

import probrl as pr

KNOWN = reference.vocabulary()
EVERY = [pytest.param(name, thing, id=name) for things in KNOWN.values() for name, thing in things.items()]


def test_every_public_name_has_its_place():
    listed = {name.removeprefix("pr.") for things in KNOWN.values() for name in things}
    offered = {name for name in dir(pr) if not name.startswith("_")}
    ours = {
        name
        for name in offered
        if (inspect.isclass(thing := getattr(pr, name)) or inspect.isfunction(thing))
        and thing.__module__.startswith("probrl.")
    }
    assert ours <= listed and {"PPO", "mean", "Diffusion", "paths.GVP", "toys.TwoMoons"} <= listed
    assert set(KNOWN) == set(reference.TITLES), "give a new package a title"


@pytest.mark.parametrize(("name", "thing"), EVERY)
def test_it_says_what_it_is(name, thing):
    said = sections.read_docstring(thing)
    assert said.summary.strip(), f"{name} has no docstring"
    error = inspect.isclass(thing) and issubclass(thing, Exception)
    assert error or "\nExample:\n" in inspect.getdoc(thing), f"{name} has no example"
    assert "<class" not in reference.signature(thing) and " object at 0x" not in reference.signature(thing)


def test_methods_are_those_of_the_house():
    names = {row[0].partition("(")[0] for row in reference.methods(pr.Program)}
    assert {"latex", "compile", "gradients"} <= names

"""From words to a generative model: its name, then flags of what it is made of."""

from __future__ import annotations

import dataclasses
from typing import Any

import tyro

from probrl.cli.arguments import UsageError, flags_of, nearest_word
from probrl.training.catalogue import algorithm_names
from probrl.training.generating import models
from probrl.training.recipe import Recipe


def model_of(words: list[str], verb: str) -> tuple[str, list[str]]:
    """The model that a command line names first, and the rest of it.

    Errors:
        UsageError with the nearest name, or all of them.
    """
    known = models()
    if not words or words[0].startswith("-"):
        raise UsageError(f"say which model, as in probrl {verb} flow: known are {', '.join(known)}")
    if words[0] not in known and words[0] in algorithm_names():
        raise UsageError(f"{words[0]!r} is an algorithm: write probrl {verb.removesuffix('-model')} {words[0]}")
    return nearest_word("generative model", words[0], known), words[1:]


def with_recipe(command: type[Any], *groups: tuple[str, type[Any]]) -> type[Any]:
    """The flags of a command, of the recipe of a model, and of further groups, as one dataclass."""
    recipe = flags_of(Recipe, only=[f.name for f in dataclasses.fields(Recipe) if f.name != "model"])
    fields = [
        (name, tyro.conf.OmitArgPrefixes[group], dataclasses.field(default_factory=group))  # type: ignore[misc, valid-type]
        for name, group in (("recipe", recipe), *groups)
    ]
    own = flags_of(command)
    both = dataclasses.make_dataclass(command.__name__, fields, bases=(own,), frozen=True)
    both.__doc__ = own.__doc__
    return both


def recipe_of(name: str, flags: Any) -> Recipe:
    """The recipe that flags say."""
    return Recipe(name, **{f.name: getattr(flags, f.name) for f in dataclasses.fields(flags)})


def models_in_words() -> str:
    """The models, with what each says of itself."""
    lines = [f"  {name:<20}{(cls.__doc__ or '').strip().splitlines()[0]}" for name, cls in models().items()]
    return "\n".join(["generative models", *lines])

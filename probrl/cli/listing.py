"""``probrl list``: algorithms with their defaults, distributions and environments."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from typing import Any

import probrl.distributions
from probrl.cli.arguments import UsageError, nearest_word
from probrl.cli.choosing import algorithms_in_words
from probrl.cli.recipes import models_in_words
from probrl.data.toys import names, toy
from probrl.envs import family, listed
from probrl.training.catalogue import algorithm_class, algorithm_names
from probrl.training.generating import models, networks, paths, solvers
from probrl.training.tuned import families

WIDTH = 100


def list_all(words: list[str]) -> None:
    """``probrl list``, and ``probrl list ALGORITHM`` for one with its defaults."""
    if len(words) > 1:
        raise UsageError("probrl list takes one algorithm, or nothing more")
    if words in (["-h"], ["--help"]):
        print(
            "usage: probrl list [ALGORITHM | MODEL]\n\n"
            "Everything there is; for an algorithm, its defaults and the values tuned for environments."
        )
        return
    if words:
        if words[0] in models():
            print(f"{words[0]}: {sentence(models()[words[0]])}")
            print(f"probrl train-model {words[0]} --help shows what it is made of and fitted with")
            return
        name = nearest_word("algorithm", words[0], [*algorithm_names(), *models()])
        print(f"{name}: {sentence(algorithm_class(name))}")
        print(defaults(algorithm_class(name)))
        return
    print(algorithms_in_words())
    print("probrl list ALGORITHM shows its defaults\n\nvalues tuned for environments")
    for name in algorithm_names():
        for where, values in families(algorithm_class(name)).items():
            print(_filled(f"{name} {where}", values))
    print("\ndistributions")
    print(distributions())
    print(f"\n{models_in_words()}")
    for what, known in (("paths", paths()), ("networks", networks()), ("solvers", solvers())):
        print(f"\n{what} of generative models\n  {', '.join(known)}")
    print("\ndata sets")
    print("\n".join(f"  {name:<20}{sentence(type(toy(name)))}" for name in names()))
    print("\nenvironments (every Gymnasium id; native vector environments are the fastest)")
    print(environments())


def sentence(thing: Any) -> str:
    """The first sentence of what a thing says of itself."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].replace("``", "").split())


def defaults(algorithm: type[Any]) -> str:
    """The defaults of an algorithm, and those that suit a family of environments or one environment better."""
    own = {f.name: f.default for f in dataclasses.fields(algorithm) if f.init}
    return "\n".join(filter(None, [_filled("default", own), suits(algorithm)]))


def suits(algorithm: type[Any]) -> str:
    """What suits a family of environments or one environment better than the defaults; empty if nothing is known."""
    return "\n".join(_filled(where, values) for where, values in families(algorithm).items())


def distributions() -> str:
    """Every distribution of the language, with what it says of itself."""
    found = {name: getattr(probrl.distributions, name) for name in probrl.distributions.__all__}
    classes = {name: thing for name, thing in found.items() if isinstance(thing, type) and name != "Distribution"}
    return "\n".join(f"  {name:<20}{sentence(thing)}" for name, thing in classes.items())


def environments() -> str:
    """The ids that gymnasium knows, by family."""
    groups: dict[str, list[str]] = {}
    for name in listed():
        groups.setdefault(family(name)[0] or "others", []).append(name)
    return "\n".join(
        textwrap.fill(", ".join(names), WIDTH, initial_indent=f"  {group:<20}", subsequent_indent=" " * 22)
        for group, names in groups.items()
    )


def _filled(where: str, values: dict[str, Any]) -> str:
    words = [_said(name, value).replace(" ", "\0") for name, value in values.items()]
    text = textwrap.fill(
        "  ".join(words), WIDTH, initial_indent=f"  {where:<20}  ", subsequent_indent=" " * 24, break_on_hyphens=False
    )
    return text.replace("\0", " ")  # a flag and its value stay on one line


def _said(name: str, value: Any) -> str:
    """A value as a command line says it."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    return f"--{flag} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"

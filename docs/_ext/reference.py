"""The directive `reference`: every public name with its signature and docstring, by the package that it comes from.

Names are read from `probrl` when the pages are built, so that a new one is listed by existing. Paths and models have
pages of their own and are linked.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from docutils import nodes
from members import members
from sections import Made, code, plain, read_docstring, table
from sphinx.application import Sphinx

TITLES = {
    "expr": "Formulas",
    "distributions": "Distributions",
    "program": "Programs",
    "graph": "Optimisers",
    "objectives": "Objectives",
    "training": "Agents and trainers",
    "callbacks": "Callbacks: pr.callbacks",
    "generative": "Generative models",
    "paths": "Paths: pr.paths",
    "solvers": "Solvers: pr.solvers",
    "networks": "Networks: pr.networks",
    "toys": "Data sets: pr.toys",
    "statistics": "Statistics: pr.statistics",
    "pictures": "Pictures: pr.pictures",
    "errors": "Errors: pr.errors",
}  # in the order of the page; a package that is not named here follows under its own name
ROOMS = ("callbacks", "paths", "solvers", "networks", "toys", "statistics", "pictures", "errors")
SHOWN = {  # classes whose objects a reader holds though no public name makes them: their methods are listed as well
    "expr": ("probrl.expr.base", "Expr"),
    "training": ("probrl.training", "Agent"),
}
METHODS = ("Expr", "Agent", "Program", "GenerativeTrainer", "OnPolicyTrainer", "GaussianPath")
PARTS = {"Shape": "Shapes", "Return": "Returns", "Error": "Errors", "Source": "Source"}


class Reference(Made):
    """A section for each package, an entry for each of its public names."""

    required_arguments = 0

    def run(self) -> list[nodes.Node]:
        known = vocabulary()
        self.made_from(__file__, *(thing for found in known.values() for thing in found.values()))
        pages = {cls: f"{kind}s/{name}.md" for kind, found in members().items() for name, cls in found.items()}
        return [
            self.section(
                TITLES.get(room, room), [node for entry in found.items() for node in self.entry(*entry, pages)]
            )
            for room, found in known.items()
        ]

    def entry(self, name: str, thing: Any, pages: dict[Any, str]) -> list[nodes.Node]:
        """What there is to know about one name."""
        said = read_docstring(thing)
        inside = [code(name.removeprefix("pr.") + signature(thing)), *self.markdown(said.summary)]
        if thing in pages:
            inside += self.markdown(f"More on [its page]({pages[thing]}).")
        else:
            inside += self.markdown(said.body)
            inside += [table(("argument", "meaning"), said.fields.items(), literal=1)] if said.fields else []
            for part, title in PARTS.items():
                inside += self.markdown(f"**{title}.** {said.parts[part]}") if said.parts.get(part) else []
            inside += [code(said.parts["Example"], "pycon")] if said.parts.get("Example") else []
            if thing.__name__ in METHODS:
                inside += [table(("method", "meaning"), methods(thing), literal=1)]
        made = nodes.section("", nodes.title(name, name), *inside, ids=[name.replace(".", "-")])  # Toy and toy are two
        return [made]


def vocabulary() -> dict[str, dict[str, Callable[..., Any]]]:
    """The public classes and functions with their names, by package: those of `probrl`, then those of its modules."""
    import probrl as pr

    found: dict[str, dict[str, Any]] = {room: {} for room in TITLES}
    for name, thing in public(pr):
        found.setdefault(thing.__module__.split(".")[1], {})[f"pr.{name}"] = thing
    for room, (module, name) in SHOWN.items():
        found[room] = {f"{module}.{name}": getattr(import_module(module), name), **found[room]}
    for room in ROOMS:
        known = set(found[room].values())
        found[room] |= {f"pr.{room}.{name}": thing for name, thing in public(getattr(pr, room)) if thing not in known}
    return {room: things for room, things in found.items() if things}


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The classes and functions that a module offers; without `__all__`, those that are defined in it."""
    named = getattr(module, "__all__", None) or (dir(module) if module.__name__ == "probrl" else None)
    for name in named or sorted(dir(module), key=str.lower):
        thing = getattr(module, name)
        if name.startswith("_") or not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        if thing.__module__.startswith("probrl.") if named else thing.__module__ == module.__name__:
            yield name, thing


def methods(cls: type[Any]) -> list[tuple[str, str]]:
    """The public methods and attributes of a class that say something of themselves, each with its first sentence."""
    found = []
    for name in sorted(dir(cls)):
        thing = inspect.getattr_static(cls, name)
        asked = thing.fget if isinstance(thing, property) else getattr(thing, "__func__", thing)
        if not name.startswith("_") and inspect.isfunction(asked) and asked.__module__.startswith("probrl."):
            arguments = (
                "" if isinstance(thing, property) else signature(asked).replace("(self, ", "(").replace("(self)", "()")
            )
            found.append((name + arguments, plain((inspect.getdoc(asked) or "").split("\n\n")[0])))
    return [(name, said) for name, said in found if said]


def signature(thing: Any) -> str:
    """The arguments with their defaults; types are in the docstring's words."""
    try:
        given = inspect.signature(thing)
    except ValueError:
        return ""
    bare = [p.replace(annotation=p.empty) for p in given.parameters.values()]
    return re.sub(r"<class '[\w.]*?(\w+)'>", r"\1", str(given.replace(parameters=bare, return_annotation=given.empty)))


def setup(app: Sphinx) -> dict:
    app.add_directive("reference", Reference)
    return {"parallel_read_safe": True}

"""The generative models, paths, networks and solvers there are, found by walking the packages that hold them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from typing import Any

import probrl.generative
import probrl.networks
import probrl.paths
import probrl.solvers
from probrl.errors import DataError
from probrl.generative.model import Model
from probrl.networks import TimedNetwork
from probrl.paths import GaussianPath
from probrl.solvers import Solver
from probrl.training.settings import nearest


@cache
def models() -> dict[str, type[Model]]:
    """Every generative model with a network of its own, by the name of its file."""
    found: dict[str, type[Model]] = {}
    for entry in pkgutil.iter_modules(probrl.generative.__path__):
        module = importlib.import_module(f"probrl.generative.{entry.name}")
        for thing in vars(module).values():
            own = inspect.isclass(thing) and issubclass(thing, Model) and thing.__module__ == module.__name__
            if own and thing is not Model and "network" in inspect.signature(thing.__init__).parameters:
                found[entry.name] = thing
    return found


@cache
def paths() -> dict[str, type[GaussianPath]]:
    """Every shipped path by its name in words."""
    return _exported(probrl.paths, GaussianPath)


@cache
def networks() -> dict[str, type[TimedNetwork]]:
    """Every network of a point, its time and its condition."""
    return _exported(probrl.networks, TimedNetwork)


@cache
def solvers() -> dict[str, type[Solver]]:
    """Every solver."""
    return _exported(probrl.solvers, Solver)


def named(kind: str, name: str, known: dict[str, Any]) -> Any:
    """What a name stands for.

    Errors:
        DataError with the nearest name, or all of them.
    """
    if name not in known:
        raise DataError(f"no {kind} is called {name!r}: {nearest(name, known)}")
    return known[name]


def _exported(package: Any, base: type[Any]) -> dict[str, type[Any]]:
    """Classes by the name of their file, or by their own where a file holds several."""
    found = [thing for thing in (getattr(package, name) for name in package.__all__) if inspect.isclass(thing)]
    found = [t for t in found if issubclass(t, base) and t is not base and not inspect.isabstract(t)]
    files = [thing.__module__.rpartition(".")[2] for thing in found]
    return {
        file if files.count(file) == 1 else thing.__name__.lower(): thing
        for file, thing in zip(files, found, strict=True)
    }

"""Built-in data sets, one per file, found by walking this folder: a file more is a data set more."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from typing import Any

from probrl.data.toys.base import Toy
from probrl.data.toys.checkerboard import Checkerboard
from probrl.data.toys.digits import Digits
from probrl.data.toys.eight_gaussians import EightGaussians
from probrl.data.toys.pinwheel import Pinwheel
from probrl.data.toys.rings import Rings
from probrl.data.toys.spirals import Spirals
from probrl.data.toys.swiss_roll import SwissRoll
from probrl.data.toys.two_moons import TwoMoons
from probrl.errors import DataError

__all__ = [
    "Checkerboard", "Digits", "EightGaussians", "Pinwheel", "Rings", "Spirals", "SwissRoll", "Toy", "TwoMoons", "names",
    "toy",
]  # fmt: skip


def names() -> list[str]:
    """The names of the built-in data sets, which are those of their files.

    Example:
        >>> names()[:3]
        ['checkerboard', 'digits', 'eight_gaussians']
    """
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")


def toy(name: str, **fields: Any) -> Toy:
    """The data set with a given name, with some of its fields set.

    Errors:
        DataError for a name or a field that there is not, with the nearest one.

    Example:
        >>> toy("two_moons", noise=0.05).sample(3).shape
        torch.Size([3, 2])
    """
    if name not in names():
        raise DataError(f"no built-in data set is called {name!r}; {_nearest(name, names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    [cls] = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, Toy) and c.__module__ == module.__name__
    ]
    known = list(inspect.signature(cls).parameters)
    for field in fields:
        if field not in known:
            raise DataError(f"{name} has no field {field!r}; {_nearest(field, known)}")
    return cls(**fields)


def _nearest(word: str, known: list[str]) -> str:
    """What may have been meant."""
    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known) or 'none'}"

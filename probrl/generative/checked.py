"""What a model is declared with, looked at when it is declared: what is misspelt is said there, and not when it is used."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable
from typing import Any

from probrl.errors import ExpressionError
from probrl.generative.brownian import Brownian
from probrl.paths import GaussianPath
from probrl.paths.gaussian import WEIGHTS
from probrl.solvers import Solver


def declared_rightly(model: Any) -> None:
    """Refuses a path, a solver, a weight, a law, a share or a function that is none.

    Errors:
        ExpressionError naming the model, the option and what there is.
    """
    name = model.notation
    one_of(name, "weight", model.weight, getattr(model, "weights", WEIGHTS))
    one_of(name, "law", model.law, model.laws)
    for option, value, kinds, example in (
        ("path", model.path, (GaussianPath, Brownian), "pr.paths.Linear()"),
        ("solver", model.solver, (Solver,), "pr.solvers.Heun(steps=10)"),
    ):
        if not isinstance(value, kinds):
            raise ExpressionError(f"{name}: {option}={value!r} is no {option}; write one, as in {example}")
    model.solver_of(None)  # refuses one that does not fit this kind of model
    share(name, "drop", model.drop, whole=False)
    _function(name, model.function, model.declaration.conditions)


def one_of(name: str, option: str, value: Any, known: Collection[str]) -> None:
    """Refuses a word that is not known."""
    if value not in known:
        raise ExpressionError(f"{name}: {option}={value!r}; there are {', '.join(map(repr, known))}")


def share(name: str, option: str, value: Any, whole: bool = True) -> None:
    """Refuses what is no share of the rows; with ``whole`` all of them may be meant."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1 or (value == 1 and not whole):
        raise ExpressionError(f"{name}: {option}={value!r}; a share in [0, 1{']' if whole else ')'}")


def coupling_of(name: str, how: Any, known: tuple[str, ...]) -> Any:
    """A coupling: a known one, or the user's own function."""
    if how not in known and not callable(how):
        said = ", ".join(map(repr, known))
        raise ExpressionError(f"{name}: coupling={how!r}; there are {said}, or a function of expressions")
    return how


def shape_of(variable: str, given: Any) -> tuple[int, ...]:
    """An event shape; a whole number d stands for ``(d,)``."""
    sizes = given if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    shape = tuple(sizes)
    if not all(hasattr(i, "__index__") and not isinstance(i, bool) and i >= 1 for i in shape):
        raise ExpressionError(
            f"event_shape={given!r} of '{variable}': whole numbers from 1 on, as in (2,) or (3, 32, 32)"
        )
    return tuple(map(int, shape))


def _function(name: str, function: Any, conditions: tuple[str, ...]) -> None:
    if isinstance(function, type):
        raise ExpressionError(
            f"{name}: the network is the class {function.__name__}; make one, {function.__name__}(...)"
        )
    if function is None:
        return
    try:
        inspect.signature(function).bind(*range(2 + len(conditions)))
    except TypeError:
        said = ", ".join(("x_t", "t", *conditions))
        raise ExpressionError(
            f"{name}: a function in place of a network takes expressions, one for each of ({said}); a function of tensors "
            "(x_t, t, condition) goes into the forward of a torch module"
        ) from None
    except ValueError:
        return  # some callables do not say what they take

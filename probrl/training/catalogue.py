"""The algorithms there are, found by walking the package that holds them."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from probrl.algorithms import names
from probrl.distributions import lift
from probrl.distributions.base import PixyzDistribution
from probrl.errors import CheckpointError, DataError
from probrl.expr.base import Expr
from probrl.expr.written import from_plain, to_plain
from probrl.training.settings import nearest, whole_number

SHARES = ("gamma", "gae_lambda")  # numbers from 0 to 1
POSITIVE = ("clip_coef", "target_kl", "max_grad_norm", "temperature", "weight_clip")
NOT_NEGATIVE = ("learning_rate", "vf_coef", "kl_coef")
WANTED = {
    "actor": "pr.Categorical('a | s', network)",
    "critic": "pr.Deterministic('v | s', network)",
}


def algorithm_names() -> list[str]:
    """One name per file of ``probrl.algorithms``."""
    return names()


def algorithm_class(name: str) -> type[Any]:
    """The declaration that a name stands for: the dataclass with a ``declare`` method in the file of that name.

    Errors:
        DataError for an unknown name, with the nearest one.
    """
    known = algorithm_names()
    if name not in known:
        raise DataError(f"no algorithm is called {name!r}: {nearest(name, known)}")
    module = importlib.import_module(f"probrl.algorithms.{name}")
    for found in vars(module).values():
        declared = isinstance(found, type) and dataclasses.is_dataclass(found) and hasattr(found, "declare")
        if declared and found.__module__ == module.__name__:
            return found
    raise DataError(f"probrl.algorithms.{name} declares no algorithm: it needs a dataclass with a 'declare' method")


def name_of_algorithm(algorithm: Any) -> str:
    """What an algorithm is called on disk and in the shell: its file's name, or its class's for a user's own."""
    cls = type(algorithm)
    package, _, last = cls.__module__.rpartition(".")
    return last if package == "probrl.algorithms" else cls.__name__.lower()


def is_ours(algorithm: Any) -> bool:
    """Whether the algorithm is one of this package's files, so that its name is enough to make it again."""
    return type(algorithm).__module__.startswith("probrl.algorithms.")


def hyper_parameters(algorithm: Any) -> dict[str, Any]:
    """The fields of a declaration by name."""
    return {f.name: getattr(algorithm, f.name) for f in dataclasses.fields(algorithm) if f.init}


def check_hyper_parameters(algorithm: Any) -> None:
    """Refuses counts that count nothing and numbers that are none, by what the defaults are.

    Errors:
        DataError naming the hyper-parameter.
    """
    for f in dataclasses.fields(algorithm):
        value = getattr(algorithm, f.name)
        if value is None and "None" in str(f.type):  # a choice that the field offers
            continue
        if type(f.default) is int and f.default > 0:
            whole_number(f.name, value)
        elif type(f.default) is float and (isinstance(value, bool) or not isinstance(value, (int, float, Expr))):
            raise DataError(f"{f.name} must be a number, got {value!r}")
        elif isinstance(value, float) and not math.isfinite(value):
            raise DataError(f"{f.name} must be finite, got {value!r}")
        elif f.type in ("bool", bool) and not isinstance(value, bool):
            raise DataError(f"{f.name} must be True or False, got {value!r}")
        elif isinstance(f.default, tuple):
            if not isinstance(value, (tuple, list)):
                raise DataError(f"{f.name} must be several whole numbers, as in {f.default}, got {value!r}")
            for size in value:
                whole_number(f.name, size)
        if f.name in SHARES and isinstance(value, (int, float)) and not 0 <= value <= 1:
            raise DataError(f"{f.name} must be from 0 to 1, got {value!r}")
        if f.name in NOT_NEGATIVE and isinstance(value, (int, float)) and value < 0:
            raise DataError(f"{f.name} must not be negative, got {value!r}")
        if f.name in POSITIVE and isinstance(value, (int, float)) and value <= 0:
            raise DataError(f"{f.name} must be positive, got {value!r}")
    parts = getattr(algorithm, "num_minibatches", 1)
    rows = getattr(algorithm, "num_envs", parts) * getattr(algorithm, "num_steps", 1)
    if parts > rows:
        raise DataError(
            f"num_minibatches={parts} is more than a rollout has rows: {algorithm.num_envs} environments of "
            f"{algorithm.num_steps} steps are {rows}"
        )


def own_parts(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that a user handed over; pixyz distributions become ours.

    Errors:
        DataError for an actor or a critic that is no distribution, and a loss that is no function.
    """
    given = {name: part for name, part in parts.items() if part is not None}
    ranks = {"critic": 0}  # a value is one number, also where pixyz makes a vector of one entry of it
    found = {k: lift(v, rank=ranks.get(k)) if isinstance(v, PixyzDistribution) else v for k, v in given.items()}
    for name, part in found.items():
        if name in WANTED and (not callable(part) or isinstance(part, (type, nn.Linear, nn.Sequential))):
            raise DataError(f"{name} is a distribution, as in {WANTED[name]}, not {_short(part)}")
        if name == "loss" and not callable(part):
            raise DataError(f"loss is a function of what is declared, as in lambda d: d.loss, not {_short(part)}")
    return found


def _short(part: Any) -> str:
    if isinstance(part, type):
        return f"the class {part.__name__}"
    return repr(part) if isinstance(part, (int, float, str)) else f"a {type(part).__name__}"


def is_plain(value: Any) -> bool:
    """Whether JSON gives the value back as it was."""
    if isinstance(value, (tuple, list)):
        return all(is_plain(v) for v in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and is_plain(v) for k, v in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def stored(value: Any) -> Any:
    """A hyper-parameter as a manifest keeps it: formulas of scalars are written out; None for what cannot be kept."""
    if isinstance(value, Expr):
        written = to_plain(value)
        return None if written is None else {"formula": written}
    return value if is_plain(value) else None


def from_stored(value: Any) -> Any:
    """A hyper-parameter from what a manifest keeps."""
    if isinstance(value, dict) and "formula" in value:
        return from_plain(value["formula"])
    return tuple(value) if isinstance(value, list) else value


def restore_algorithm(name: str, hyper: dict[str, Any]) -> Any:
    """A declaration made again from what a manifest says.

    Errors:
        CheckpointError if this release has no such algorithm or hyper-parameter.
    """
    try:
        cls = algorithm_class(name)
    except DataError as error:
        stop = "" if str(error).endswith("?") else "."
        raise CheckpointError(f"{error}{stop} For one of your own write load(path, algorithm=...)") from error
    known = {f.name for f in dataclasses.fields(cls) if f.init}
    for key in hyper:
        if key not in known:
            raise CheckpointError(f"{name} has no hyper-parameter {key!r}: {nearest(key, known)}")
    return cls(**{k: from_stored(v) for k, v in hyper.items()})

"""Hyper-parameters that suit an environment: a table beside each algorithm, read where the user has not chosen."""

from __future__ import annotations

import math
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from probrl.envs import EnvLike, family, repeatable


def tuned(algorithm: type[Any], env: EnvLike, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Hyper-parameters for an environment: what the user chose, else what the algorithm's table says of it.

    The table has values for a family, and those of an environment over them. Who changes the number of environments or
    steps, but not of minibatches, keeps the size of a minibatch. An instance is as many environments as it is.

    Args:
        algorithm: the declaration's class.
        env: as an agent takes it.
        given: what the user chose.

    Example:
        >>> from probrl.algorithms.ppo import PPO
        >>> tuned(PPO, "Pendulum-v1")["gamma"], tuned(PPO, "Pendulum-v1", {"gamma": 0.8})["gamma"]
        (0.9, 0.8)
        >>> tuned(PPO, "FrozenLake-v1")  # nobody has said what suits it
        {}
    """
    given = dict(given or {})
    group, name = family(env)
    entries = table(algorithm).get(group, {})
    suited = {**_values(entries), **_values(entries.get(name, {}))}
    if not repeatable(env):
        given.setdefault("num_envs", int(getattr(env, "num_envs", 1)))
    found = {**suited, **given}
    if "num_minibatches" in suited and "num_minibatches" not in given:
        planned, rows = (_rows(values, algorithm) for values in (suited, found))
        found["num_minibatches"] = max(rows * suited["num_minibatches"] // planned, 1)
    return found


def _rows(values: Mapping[str, Any], algorithm: type[Any]) -> int:
    sizes = [values.get(name, getattr(algorithm, name)) for name in ("num_envs", "num_steps")]
    # what is no number is refused where hyper-parameters are checked, by its name
    return math.prod(size if isinstance(size, int) and size > 0 else 1 for size in sizes)


def table(algorithm: type[Any]) -> dict[str, Any]:
    """The whole table: by family, values and, below the names of its environments, theirs."""
    package, _, name = algorithm.__module__.rpartition(".")
    if package != "probrl.algorithms":
        return {}  # a user's own declaration has its own defaults
    return _read(Path(str(sys.modules[algorithm.__module__].__file__)).with_name(f"{name}.toml"))


def families(algorithm: type[Any]) -> dict[str, dict[str, Any]]:
    """The values of every family and environment of the table, by name."""
    found = {}
    for group, entries in table(algorithm).items():
        if _values(entries):
            found[group] = _values(entries)
        for name, own in entries.items():
            if isinstance(own, dict):
                found[name] = {**_values(entries), **_values(own)}
    return found


@cache
def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _values(entries: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in entries.items() if not isinstance(value, dict)}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}

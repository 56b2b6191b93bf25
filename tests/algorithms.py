"""The algorithms that there are, made small: what laws over all of them share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from probrl.training import OnPolicyTrainer, agent_of
from probrl.training.catalogue import algorithm_class, algorithm_names

NAMES = algorithm_names()
SMALL = {"num_envs": 4, "num_steps": 8, "num_minibatches": 1, "update_epochs": 1, "hidden": (16,)}


def agent(name: str, env: Any, seed: int = 1, backend: str = "eager", **options: Any) -> Any:
    """An agent of the algorithm of a name, quiet; options that it does not have are left out."""
    cls = algorithm_class(name)
    build: Callable[..., Any] = agent_of(cls)
    return build(env, seed=seed, backend=backend, progress=False, tuned=False, **fitting(cls, options))


def fitting(cls: type[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are fields of a declaration."""
    fields = {f.name for f in dataclasses.fields(cls)} | {"actor", "critic", "loss"}
    return {name: value for name, value in options.items() if name in fields}


def played(made: Any, rollouts: int = 1) -> dict[str, Any]:
    """The columns of the last of several rollouts of an agent."""
    trainer = OnPolicyTrainer(None, made)
    for _ in range(rollouts):
        columns = {name: column.clone() for name, column in trainer.collector.collect().columns().items()}
    return columns

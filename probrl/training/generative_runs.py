"""Generative models on disk: what a manifest says of their trainer, and the trainer that is made of it again."""

from __future__ import annotations

import dataclasses
from typing import Any

from probrl.data.toys import toy
from probrl.errors import CheckpointError
from probrl.graph import optimizers
from probrl.training.catalogue import from_stored, stored
from probrl.training.fitted import RUNNING
from probrl.training.generative import GenerativeTrainer
from probrl.training.recipe import Recipe

Plain = dict[str, Any]
PARTS = ("model", "objective", "data", "optimizer")  # what cannot always be told in plain types


def identity(trainer: GenerativeTrainer) -> Plain:
    """What a trainer is, in plain types."""
    fitting = {f.name: getattr(trainer.algorithm, f.name) for f in dataclasses.fields(trainer.algorithm)}
    optimizer = _told(fitting.pop("optimizer"))
    data = None if trainer.data is None else trainer.data.plain
    lacks = {"model": trainer.recipe is None, "data": data is None, "optimizer": optimizer is None}
    return {
        "algorithm": {"name": trainer.model_name, "ours": trainer.recipe is not None, "hyper": fitting},
        "env": trainer.data_name,
        "spaces": None,
        "generative": {
            "recipe": None if trainer.recipe is None else trainer.recipe.plain,
            "data": data,
            "data_digest": trainer.expected if trainer.data is None else trainer.expected or trainer.data.digest,
            "shapes": {name: list(shape) for name, shape in trainer.shapes.items()},
            "optimizer": optimizer,
        },
        "parts": [name for name in PARTS if lacks.get(name, name in trainer.own)],
    }


def made(manifest: Plain, how: Plain, parts: Plain) -> GenerativeTrainer:
    """The trainer as a manifest describes it, with fresh weights.

    Args:
        manifest: of the run.
        how: settings that shall be other than they were.
        parts: what it was handed in Python: ``model``, ``objective``, ``data``, ``optimizer``. Without data it samples.

    Errors:
        CheckpointError for a part that lacks, or that it was not made with.
    """
    needed, said = manifest["parts"], manifest["generative"]
    for name in parts:
        if name not in PARTS or (name not in needed and name != "data"):
            raise CheckpointError(f"this run was not made with {name!r} of your own: load it without")
    missing = [name for name in needed if name not in parts and name != "data"]
    if missing:
        raise CheckpointError(
            f"this run was made with your own {', '.join(missing)}: hand it over, as in load(path, {missing[0]}=...)"
        )
    model = parts["model"] if said["recipe"] is None else Recipe(**_tuples(said["recipe"]))
    optimizer = parts.get("optimizer") or _retold(said["optimizer"])
    data = parts.get("data", _source(said["data"]))
    kept = {**manifest["settings"], "threads": manifest["threads"]}
    kept |= {name: value for name, value in how.items() if value is not None}
    options = {name: value for name, value in kept.items() if name in RUNNING}
    options |= manifest["algorithm"]["hyper"]
    found = GenerativeTrainer(model, parts.get("objective"), data, optimizer, **options, kept=said)
    found.own = [name for name in PARTS if name in needed]
    return found


def _source(data: Plain | None) -> Any:
    if data is None:
        return None
    return data["file"] if "file" in data else toy(data["toy"], **_tuples(data["fields"]))


def _told(optimizer: Any) -> Plain | None:
    """An optimiser in plain types, or None for a formula that cannot be."""
    values = {f.name: stored(getattr(optimizer, f.name)) for f in dataclasses.fields(optimizer)}
    lacks = any(value is None and getattr(optimizer, name) is not None for name, value in values.items())
    ours = type(optimizer).__module__ == optimizers.__name__
    return None if lacks or not ours else {"name": type(optimizer).__name__, **values}


def _retold(said: Plain) -> Any:
    values = {name: from_stored(value) for name, value in said.items() if name != "name"}
    return getattr(optimizers, said["name"])(**values)


def _tuples(values: Plain) -> Plain:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

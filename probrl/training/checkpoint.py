"""Agents on disk: what of an agent is kept. How one is made from it again: :mod:`probrl.training.restoring`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from probrl.errors import CheckpointError, NonFiniteError
from probrl.expr.base import Expr, show
from probrl.training import storage
from probrl.training.agent import Agent
from probrl.training.catalogue import hyper_parameters, is_ours, is_plain, name_of_algorithm, stored
from probrl.training.lock import FolderLock, refuse_taken
from probrl.training.machine import surroundings
from probrl.training.run import explain

if TYPE_CHECKING:
    Plain = dict[str, Any]


HERE = ("run", "progress")  # settings that say nothing of the agent
PASSING = ("timesteps", "iteration", "goal", "rows")  # what changes from one checkpoint of a run to the next


def identity(agent: Agent) -> Plain:
    """What an agent is, in plain types: its algorithm, its environment and the user's own parts."""
    hyper = hyper_parameters(agent.algorithm)
    kept = {name: stored(value) for name, value in hyper.items()}
    foreign = [name for name, value in hyper.items() if value is not None and kept[name] is None]
    return {
        "algorithm": {
            "name": name_of_algorithm(agent.algorithm),
            "ours": is_ours(agent.algorithm),
            "hyper": {name: value for name, value in kept.items() if name not in foreign},
        },
        "env": agent.env if isinstance(agent.env, str) else None,
        "spaces": agent.spaces.to_json(),
        # what JSON cannot hold has to be handed over again: the user's own parts, wrappers, formulas of more than scalars
        "parts": [*agent.parts, *foreign],
    }


def describe(agent: Agent) -> Plain:
    """What a checkpoint says of an agent, in plain types."""
    settings = {f.name: getattr(agent.settings, f.name) for f in dataclasses.fields(agent.settings)}
    who = agent.identity()
    return {
        **who,
        "parts": [*who["parts"], *(name for name, value in settings.items() if not is_plain(value))],
        "settings": {k: value for k, value in settings.items() if k not in HERE and is_plain(value)},
        "digest": agent.digest,
        "timesteps": agent.timesteps,
        "iteration": agent.iteration,
        "goal": agent.goal,
        "rows": len(agent.metrics.rows),
        **surroundings(settings["device"], agent.threads, agent.backend),
    }


def configuration(agent: Agent) -> Plain:
    """Everything that a person would want to know of a run, in plain types: what stays the same as it goes on."""
    hyper = {k: value if is_plain(value) else _said(value) for k, value in agent.hyper_parameters().items()}
    lasting = {k: value for k, value in describe(agent).items() if k not in PASSING}
    return {**lasting, "env": agent.env_name, "hyper_parameters": hyper}


def _said(value: Any) -> str:
    """What is not plain, in words: a formula as it prints, a distribution as it is declared."""
    return show(value) if isinstance(value, Expr) else str(value)


def save(agent: Agent, path: str | Path, replace: bool = False) -> Path:
    """Writes weights, optimiser, equations and metrics to a folder; an older checkpoint in it is replaced in one step.

    Args:
        agent: who is saved.
        path: the folder.
        replace: whether a checkpoint of another algorithm, environment or data set may be replaced.

    Errors:
        CheckpointError if the folder holds something else, or somebody is learning there; NonFiniteError naming the
        weight that is NaN or infinite. What the folder holds is left as it was then.
    """
    folder = Path(path)
    if not is_own(agent, folder):
        refuse_taken(folder)
        write(agent, folder, replace)
        explain(folder, configuration(agent), agent.latex(), agent.text())
    elif agent.learning:
        write(agent, folder)
    else:
        with FolderLock(folder):
            refuse_others(agent, folder)
            write(agent, folder)
    return folder


def is_own(agent: Agent, folder: Path) -> bool:
    """Whether a folder is the run folder of an agent."""
    return agent.folder is not None and agent.folder.resolve() == folder.resolve()


def refuse_others(agent: Agent, folder: Path) -> None:
    """Refuses a run folder whose checkpoint is not the one that the agent wrote or came from.

    Errors:
        CheckpointError saying what to do.
    """
    if storage.named(folder) != agent.saved_as:
        raise CheckpointError(
            f"another agent has learned in {str(folder)!r} since this one wrote there: "
            "load that one, or learn on in another run folder"
        )


def write(agent: Agent, folder: Path, replace: bool = False) -> None:
    """Writes the checkpoint itself, see :func:`save`."""
    refuse_broken(agent)
    weights = {
        f"{name}.{key}": tensor
        for name, module in agent.networks().items()
        for key, tensor in module.state_dict().items()
    }
    ours = is_own(agent, folder)
    agent.metrics.settle()
    names = storage.write(folder, describe(agent), weights, agent.state(), ours, replace)
    if ours:
        agent.saved_as = names
    agent.metrics.write_to(folder)


def refuse_broken(agent: Agent) -> None:
    """Refuses weights that are no numbers.

    Errors:
        NonFiniteError naming the first that is NaN or infinite.
    """
    for part, network in agent.networks().items():
        for name, weight in network.named_parameters():
            if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
                raise NonFiniteError(f"the parameter {part}.{name} is not finite at step {agent.timesteps}")

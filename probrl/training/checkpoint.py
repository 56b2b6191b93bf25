"""Agents on disk: what of an agent is kept, and how one is made from it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from probrl.envs import EnvLike, Spaces
from probrl.errors import CheckpointError, ProbrlError
from probrl.training import storage
from probrl.training.agent import PARTS, Agent
from probrl.training.catalogue import hyper_parameters, is_ours, is_plain, name_of_algorithm, restore_algorithm
from probrl.training.run import explain, read_metrics, versions
from probrl.training.settings import Settings, whole_number

if TYPE_CHECKING:
    Plain = dict[str, Any]


def describe(agent: Agent) -> Plain:
    """What a checkpoint says of an agent, in plain types."""
    hyper, settings = hyper_parameters(agent.algorithm), agent.settings
    return {
        "algorithm": {
            "name": name_of_algorithm(agent.algorithm),
            "ours": is_ours(agent.algorithm),
            "hyper": {name: value for name, value in hyper.items() if is_plain(value)},
        },
        "env": agent.env if isinstance(agent.env, str) else None,
        "spaces": agent.spaces.to_json(),
        "settings": {"seed": settings.seed, "device": settings.device, "backend": settings.backend},
        # what JSON cannot hold has to be handed over again: the user's own parts, and formulas for hyper-parameters
        "parts": [*agent.parts, *(name for name, value in hyper.items() if not is_plain(value))],
        "digest": agent.digest,
        "timesteps": agent.timesteps,
        "iteration": agent.iteration,
        "threads": agent.threads,
        "versions": versions(),
    }


def configuration(agent: Agent) -> Plain:
    """Everything that a person would want to know of a run, in plain types."""
    hyper = {k: value if is_plain(value) else str(value) for k, value in hyper_parameters(agent.algorithm).items()}
    return {**describe(agent), "env": agent.env_name, "hyper_parameters": hyper}


def save(agent: Agent, path: str | Path) -> Path:
    """Writes weights, optimiser, equations and metrics to a folder; an older checkpoint in it is replaced in one step.

    Errors:
        CheckpointError if the folder holds something else, which is left as it was.
    """
    folder = Path(path)
    weights = {
        f"{name}.{key}": tensor
        for name, module in agent.networks().items()
        for key, tensor in module.state_dict().items()
    }
    storage.write(folder, describe(agent), weights, agent.state())
    explain(folder, configuration(agent), agent.latex(), agent.text())
    agent.metrics.write_to(folder)
    return folder


def load(
    path: str | Path, env: EnvLike | None = None, algorithm: Any = None, device: str | None = None, **parts: Any
) -> Agent:
    """The agent that was saved: it predicts, evaluates, and learns on.

    Args:
        path: the folder it was saved to.
        env: what it shall play; None is the id it was trained on, if it was an id.
        algorithm: for an algorithm that is not this package's own: the declaration with its hyper-parameters.
        device: where it shall live; None is where it lived.
        parts: the ``actor``, ``critic``, ``loss`` or formulas of the user's own that it was made with.

    Errors:
        CheckpointError for a folder that holds no checkpoint, a damaged one, or another program's.

    Example:
        >>> load("no/such/folder")
        Traceback (most recent call last):
        ...
        probrl.errors.CheckpointError: there is no run at 'no/such/folder'
    """
    folder = Path(path)
    manifest = storage.read_manifest(folder)
    weights, state = storage.read(folder, manifest)
    try:
        agent = _declared(manifest, env, algorithm, device, parts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ProbrlError):
            raise
        where = str(folder / storage.MANIFEST)
        raise CheckpointError(f"{where!r} is damaged: {type(error).__name__} {error}") from error
    if manifest.get("digest") != agent.digest:
        raise CheckpointError(
            f"{str(folder)!r} was trained with other equations (digest {manifest.get('digest')}, here {agent.digest}): "
            "load it with the release and the loss that wrote it"
        )
    _fill(agent, weights)
    try:
        agent.take_state(state)
    except (KeyError, RuntimeError, TypeError) as error:
        raise CheckpointError(f"the state in {str(folder)!r} does not fit: {' '.join(str(error).split())}") from error
    agent.metrics.rows[:] = read_metrics(folder)
    return agent


def _declared(manifest: Plain, env: EnvLike | None, algorithm: Any, device: str | None, parts: Plain) -> Agent:
    """The agent as a manifest describes it, with fresh weights; it meets its environment when it needs one."""
    needed, kept = list(manifest["parts"]), manifest["settings"]
    for name in parts:
        if name not in needed:
            raise CheckpointError(f"this agent was not made with a {name!r} of your own: load it without")
    # an algorithm that is handed over brings its formulas with it, but not the parts
    missing = [name for name in needed if name not in parts and (name in PARTS or algorithm is None)]
    if missing:
        raise CheckpointError(
            f"this agent was made with your own {', '.join(missing)}: hand it over, as in load(path, {missing[0]}=...)"
        )
    if algorithm is None:
        described = manifest["algorithm"]
        if not described["ours"]:
            raise CheckpointError(
                f"{described['name']!r} is no algorithm of this package: write load(path, algorithm=...) with yours"
            )
        formulas = {name: part for name, part in parts.items() if name not in PARTS}
        algorithm = restore_algorithm(described["name"], {**described["hyper"], **formulas})
    settings = Settings(seed=kept["seed"], device=device or kept["device"], backend=kept["backend"])
    own = {name: part for name, part in parts.items() if name in PARTS}
    source = manifest["env"] if env is None else env
    agent = Agent(algorithm, source, settings, Spaces.from_json(manifest["spaces"]), own)
    agent.timesteps = whole_number("timesteps", manifest["timesteps"], least=0)
    agent.iteration = whole_number("iteration", manifest["iteration"], least=0)
    return agent


def _fill(agent: Agent, weights: dict[str, torch.Tensor]) -> None:
    modules = agent.networks()
    for name, module in modules.items():
        own = {key[len(name) + 1 :]: value for key, value in weights.items() if key.startswith(f"{name}.")}
        try:
            module.load_state_dict(own)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"the weights of the {name} do not fit: {reason}") from error
    stray = {key.partition(".")[0] for key in weights} - set(modules)
    if stray:
        raise CheckpointError(f"weights of {min(stray)!r} were saved, but this agent has none")

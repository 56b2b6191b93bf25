"""Agents from disk: loaded to predict, evaluate and learn on, or resumed in their run folder."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from probrl.envs import EnvLike, Spaces
from probrl.errors import CheckpointError, DataError, ProbrlError
from probrl.training import storage
from probrl.training.agent import PARTS, Agent
from probrl.training.callbacks import Callback
from probrl.training.catalogue import restore_algorithm
from probrl.training.machine import differences, surroundings
from probrl.training.run import read_metrics
from probrl.training.settings import Settings, whole_number

if TYPE_CHECKING:
    Plain = dict[str, Any]

SETTINGS = tuple(f.name for f in dataclasses.fields(Settings))


def load(
    path: str | Path, env: EnvLike | None = None, algorithm: Any = None, device: str | None = None, **parts: Any
) -> Agent:
    """The agent saved in a folder; it predicts, evaluates, and continues training exactly where it stopped.

    It is not bound to the folder: what it learns is written there only by :func:`resume`.

    Args:
        path: the folder it was saved to.
        env: what it shall play; None is the id it was trained on, if it was an id.
        algorithm: for an algorithm that is not this package's own: the declaration with its hyper-parameters.
        device: where it shall live; None is where it lived.
        parts: the ``actor``, ``critic``, ``loss``, ``wrappers`` or formulas of the user's own that it was made with.

    Errors:
        CheckpointError for a folder that holds no checkpoint, a damaged one, or another program's.

    Example:
        >>> load("no/such/folder")
        Traceback (most recent call last):
        ...
        probrl.errors.CheckpointError: there is no run at 'no/such/folder'
    """
    return restore(Path(path), env, algorithm, {"device": device}, parts)[0]


def resume(
    path: str | Path,
    total_timesteps: int | None = None,
    callback: Callback | Iterable[Callback] | None = None,
    env: EnvLike | None = None,
    algorithm: Any = None,
    device: str | None = None,
    backend: str | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    **parts: Any,
) -> Agent:
    """Continues an interrupted run in its folder, up to its goal.

    On the same machine, with as many threads, the same backend and release of torch, the result is that of the
    uninterrupted run to the last bit; where something differs, a warning says what.

    Args:
        path: the run folder.
        total_timesteps: another goal: how many steps the whole run shall have, those before included.
        callback: as in :meth:`Agent.learn`; those with a state go on with it.
        env: what it plays, if that was no id.
        algorithm: for an algorithm that is not this package's own.
        device: another one than it was on.
        backend: another one than it was compiled with.
        threads: another number than it had.
        progress: whether a progress bar is shown.
        parts: the ``actor``, ``critic``, ``loss``, ``wrappers`` or formulas of the user's own that it was made with.

    Errors:
        CheckpointError for a folder that :func:`load` refuses, or in which another process is learning; DataError for
        a goal that lies behind.

    Example:
        ``agent = pr.resume("runs/cartpole")``
    """
    folder = Path(path)
    how = {"device": device, "backend": backend, "threads": threads, "progress": progress}
    agent, manifest = restore(folder, env, algorithm, how, parts)
    agent.folder, agent.saved_as = folder, storage.named(folder)
    goal = agent.goal if total_timesteps is None else whole_number("total_timesteps", total_timesteps)
    if goal is None:
        raise DataError(f"{str(folder)!r} was saved before it learned: say how far, as in total_timesteps=50_000")
    if goal <= agent.timesteps:
        if total_timesteps is None:
            return agent
        raise DataError(
            f"total_timesteps is the goal of the whole run, and {str(folder)!r} has {agent.timesteps} steps already: "
            "name a greater number"
        )
    backend_now = backend or manifest["backend"]
    other = differences(manifest, surroundings(agent.settings.device, agent.threads, backend_now))
    if other:
        warnings.warn(f"the run goes on, but not bit for bit as it would have: {', '.join(other)}", stacklevel=2)
    return agent.learn(goal - agent.timesteps, callback)


def restore(folder: Path, env: EnvLike | None, algorithm: Any, how: Plain, parts: Plain) -> tuple[Agent, Plain]:
    """The agent of a folder, and the manifest; ``how`` holds settings that shall be other than they were."""
    manifest, weights, state = storage.newest(folder)
    try:
        if algorithm is None and "generative" not in manifest and manifest["algorithm"]["ours"]:
            _known(manifest["algorithm"], folder)
        agent = _made(manifest, env, algorithm, how, parts)
        agent._backend = None if how.get("backend") is not None else manifest["backend"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DataError) and env is None and not parts and set(how.values()) == {None}:
            where = str(folder / storage.MANIFEST)  # nothing was handed over that could be at fault
            raise CheckpointError(f"{where!r} does not go here: {error}") from error
        if isinstance(error, ProbrlError):
            raise
        raise _damaged(folder, f"{type(error).__name__} {error}") from error
    try:
        agent.timesteps, agent.iteration, rows = (
            whole_number(name, manifest[name], least=0) for name in ("timesteps", "iteration", "rows")
        )
        agent.goal = None if manifest["goal"] is None else whole_number("goal", manifest["goal"])
    except (KeyError, DataError) as error:
        why = f"KeyError {error}" if isinstance(error, KeyError) else str(error)
        raise _damaged(folder, why) from error
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
    kept = read_metrics(folder)[:rows]  # what came after the checkpoint is played again
    if len(kept) < rows:
        warnings.warn(
            f"{str(folder / 'metrics.jsonl')!r} has {len(kept)} of {rows} rows: the others are lost", stacklevel=3
        )
    agent.metrics.rows[:] = kept
    return agent, manifest


def _known(described: Plain, folder: Path) -> None:
    """Refuses a run of an algorithm that this release does not have, or whose numbers are another one's."""
    try:
        restore_algorithm(described["name"], described["hyper"])
    except CheckpointError as error:
        raise CheckpointError(f"{str(folder)!r} is no run that this release knows: {error}") from error


def _damaged(folder: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{str(folder / storage.MANIFEST)!r} is damaged: {why}")


def _made(manifest: Plain, env: EnvLike | None, algorithm: Any, how: Plain, parts: Plain) -> Any:
    """What a manifest describes, with fresh weights: an agent, or the trainer of a generative model."""
    if "generative" not in manifest:
        return _declared(manifest, env, algorithm, how, parts)
    from probrl.training.generative_runs import made

    if env is not None or algorithm is not None:
        raise CheckpointError("this run fits a generative model to data: it has no environment and no algorithm")
    return made(manifest, how, parts)


def _declared(manifest: Plain, env: EnvLike | None, algorithm: Any, how: Plain, parts: Plain) -> Agent:
    """The agent as a manifest describes it, with fresh weights; it meets its environment when it needs one."""
    needed = list(manifest["parts"])
    for name in parts:
        if name not in needed:
            raise CheckpointError(f"this agent was not made with a {name!r} of your own: load it without")
    # an algorithm that is handed over brings its formulas with it, but not the parts
    given = PARTS + SETTINGS
    missing = [name for name in needed if name not in parts and (name in given or algorithm is None)]
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
        formulas = {name: part for name, part in parts.items() if name not in given}
        algorithm = restore_algorithm(described["name"], {**described["hyper"], **formulas})
    changed = {name: value for name, value in how.items() if value is not None}
    changed |= {name: part for name, part in parts.items() if name in SETTINGS}
    # the number of threads and the backend are those that were decided on, whatever would be chosen today
    kept = {**manifest["settings"], "threads": manifest["threads"], **changed}
    settings = Settings(**{name: value for name, value in kept.items() if name in SETTINGS})
    own = {name: part for name, part in parts.items() if name in PARTS}
    source = manifest["env"] if env is None else env
    return Agent(algorithm, source, settings, Spaces.from_json(manifest["spaces"]), own)


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

"""Run folders, read by whoever compares them: what each was, and what it measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probrl.errors import CheckpointError
from probrl.training.run import read_metrics


@dataclass(frozen=True)
class Run:
    """What a run folder says.

    Attributes:
        folder: where it is.
        env: what it learned in.
        algorithm: what learned.
        hyper: its hyper-parameters.
        seed: its seed.
        digest: of its equations.
        rows: its metrics.
    """

    folder: Path
    env: str
    algorithm: str
    hyper: dict[str, Any]
    seed: int
    digest: str
    rows: list[dict[str, float]]


def read_run(path: str | Path) -> Run:
    """Reads a run folder, finished or not.

    Errors:
        CheckpointError if it is none, or is damaged.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise CheckpointError(f"there is no run at {str(path)!r}")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return Run(
            folder=folder,
            env=str(config["env"]),
            algorithm=str(config["algorithm"]["name"]),
            hyper=dict(config["hyper_parameters"]),
            seed=int(config["settings"]["seed"]),
            digest=str(config["digest"]),
            rows=read_metrics(folder),
        )
    except OSError as error:
        raise CheckpointError(f"{str(path)!r} holds no config.json: it is no run of this package") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"the config.json in {str(path)!r} is damaged") from error


def labelled(runs: Sequence[Run]) -> Iterator[tuple[str, Run]]:
    """Every run with a name of its kind: its algorithm, and the hyper-parameters in which kinds differ.

    Runs of one environment that differ in their seed alone are of one kind, and so is who learns by the same equations
    with the same numbers.
    """
    for run in runs:
        peers = [other for other in runs if (other.env, other.algorithm) == (run.env, run.algorithm)]
        differs = [name for name, value in run.hyper.items() if any(p.hyper.get(name) != value for p in peers)]
        words = [run.algorithm, *(f"{name} {_short(run.hyper[name])}" for name in differs)]
        if not differs and any(peer.digest != run.digest for peer in peers):
            words.append(f"equations {run.digest[:6]}")
        yield ", ".join(words), run


def _short(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)

"""``probrl eval RUN``: plays whole episodes with the agents of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from probrl.cli.arguments import UsageError, parse
from probrl.envs.video import recorded
from probrl.errors import DataError
from probrl.training import Agent, load
from probrl.training.evaluation import Evaluation, pooled
from probrl.training.settings import whole_number


@dataclass(frozen=True)
class Evaluate:
    """Plays whole episodes with the agents of runs; for several runs also reports their joint result.

    Args:
        run: folders of the runs; RUN/best is the best agent of a run that was evaluated during training.
        episodes: episodes per run.
        stochastic: sample actions instead of taking the most likely ones.
        env_id: an environment other than the one of the training.
        seed: seed of the first resets.
        device: a device other than the one of the training.
        video: record each episode as a film, in the folder videos of the run.
    """

    run: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]", help_behavior_hint="")]
    episodes: int = 20
    stochastic: bool = False
    env_id: str | None = None
    seed: int | None = None
    device: str | None = None
    video: bool = False


def evaluate(words: list[str]) -> None:
    """``probrl eval RUN [RUN ...] --episodes ...``."""
    chosen = parse(Evaluate, words, "eval")
    if not chosen.run:
        raise UsageError("name the folder of the run, as in probrl eval runs/mine")
    whole_number("episodes", chosen.episodes)
    loaded: list[Any] = [load(run, device=chosen.device) for run in chosen.run]
    if not any(isinstance(one, Agent) for one in loaded):  # generative models
        for run, one in zip(chosen.run, loaded, strict=True):
            print(one.evaluate() if len(loaded) == 1 else f"{run}: {one.evaluate()}")
        return
    if strange := [run for run, one in zip(chosen.run, loaded, strict=True) if not isinstance(one, Agent)]:
        raise DataError(f"{strange[0]!r} is a generative model, which plays no episodes: evaluate it by itself")
    found = [played(one, run, chosen) for run, one in zip(chosen.run, loaded, strict=True)]
    for run, evaluation in zip(chosen.run, found, strict=True):
        print(evaluation if len(found) == 1 else f"{run}: {evaluation}")
    if len(found) > 1:
        print(f"together: {pooled(found)}")


def played(agent: Agent, run: str, chosen: Evaluate) -> Evaluation:
    """The episodes of one run, recorded where that is asked for."""
    if not chosen.video:
        return agent.evaluate(chosen.episodes, not chosen.stochastic, chosen.env_id, chosen.seed)
    env = chosen.env_id or agent.env
    if not isinstance(env, str):
        raise DataError("a video is made of an environment that has an id: name one with --env-id")
    folder = f"{run}/videos"
    shown = recorded(env, folder, chosen.episodes, **(agent.settings.env_kwargs or {}))
    try:
        found = agent.evaluate(chosen.episodes, not chosen.stochastic, shown, chosen.seed)
    finally:
        shown.close()
    print(f"recorded in {folder}")
    return found

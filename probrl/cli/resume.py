"""``probrl resume RUN``: continues an interrupted run in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from probrl.cli.arguments import UsageError, parse
from probrl.training import Agent
from probrl.training import resume as go_on


@dataclass(frozen=True)
class Resume:
    """Continues an interrupted run from its latest checkpoint to its goal.

    Args:
        run: folder of the run.
        total_timesteps: a new goal: steps of the whole run, including those so far.
        device: a device other than before.
        backend: a backend other than before.
        threads: a number of threads other than before.
        progress: whether to show a progress bar; by default if standard error is a terminal.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN", help_behavior_hint="")]
    total_timesteps: int | None = None
    device: str | None = None
    backend: Literal["auto", "inductor", "eager"] | None = None
    threads: int | None = None
    progress: bool | None = None


def resume(words: list[str]) -> None:
    """``probrl resume RUN [--total-timesteps N]``."""
    if not words:
        raise UsageError("name the folder of the run, as in probrl resume runs/mine")
    chosen = parse(Resume, words, "resume")
    agent: Any = go_on(
        chosen.run,
        chosen.total_timesteps,
        device=chosen.device,
        backend=chosen.backend,
        threads=chosen.threads,
        progress=chosen.progress,
    )
    if not isinstance(agent, Agent):  # a generative model
        from probrl.cli.train_model import report

        report(agent, chosen.run, agent.settings.plot is not False)
        return
    print(f"{agent.timesteps} of {agent.goal} steps, kept in {chosen.run}")
    if agent.settings.eval_episodes:
        print(agent.evaluate(episodes=agent.settings.eval_episodes))

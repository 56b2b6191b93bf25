"""What the metrics mean that the loop measures; those of an update are explained by its program."""

from __future__ import annotations

from typing import Any

LOOP = {
    "timesteps": "environment steps that were trained on",
    "iteration": "rollouts that were trained on",
    "episodes": "episodes finished so far",
    "episode_return": "mean return of the last finished episodes, nan before the first; should rise",
    "episode_length": "mean length of the last finished episodes, nan before the first",
    "seconds": "seconds since training started",
    "steps_per_second": "environment steps per second since training started, everything included",
}
EVALUATED = {
    "eval_return": "mean return of an evaluation, in the row of the update after which it was played; should rise",
    "eval_std": "standard deviation of the returns of that evaluation",
    "eval_length": "mean length of the episodes of that evaluation",
}


def meanings(agent: Any) -> dict[str, str]:
    """Every metric that an agent's learning gives, with what it means."""
    return {**LOOP, **agent.program.metrics, **EVALUATED}

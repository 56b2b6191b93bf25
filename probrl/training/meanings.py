"""What the metrics mean that the loop measures; those of an update are explained by its program."""

from __future__ import annotations

from typing import Any

LOOP = {
    "timesteps": "steps of the environments that were learned from",
    "iteration": "rollouts that were learned from",
    "episodes": "episodes finished so far",
    "episode_return": "mean return of the newest finished episodes, nan before the first; rises",
    "episode_length": "mean length of the newest finished episodes, nan before the first",
    "seconds": "time since learning was asked for",
    "steps_per_second": "speed since learning was asked for, everything included",
}
EVALUATED = {
    "eval_return": "mean return of the episodes of an evaluation, in the rows of updates that one followed; rises",
    "eval_std": "standard deviation of those returns",
    "eval_length": "mean length of those episodes",
}


def meanings(agent: Any) -> dict[str, str]:
    """Every metric that an agent's learning gives, with what it means."""
    return {**LOOP, **agent.program.metrics, **EVALUATED}

"""Stable-Baselines3, where it is installed: the same algorithms at the same settings."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

MISSING = "Stable-Baselines3 is not installed: pip install stable-baselines3; its rows are left out"
Model = Any


def installed() -> bool:
    """Whether it can be compared with; if not, that is said."""
    if importlib.util.find_spec("stable_baselines3") is None:
        print(MISSING)
        return False
    return True


def falling(start: float) -> Callable[[float], float]:
    """A schedule that falls linearly to zero."""
    return lambda left: left * start


def model(
    algorithm: str, env: str, num_envs: int, seed: int, normalize: bool = False, gamma: float = 0.99, **options: Any
) -> Model:
    """A model on copies of an environment that step in turn.

    Args:
        algorithm: "PPO" or "A2C".
        env: the id.
        num_envs: how many copies.
        seed: of everything.
        normalize: whether observations and rewards are normalised by running moments.
        gamma: the discount.
        options: as the model's constructor takes them.
    """
    import stable_baselines3 as sb3
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    envs: Any = make_vec_env(env, num_envs, seed=seed)
    if normalize:
        envs = VecNormalize(envs, gamma=gamma)
    kind = getattr(sb3, algorithm)
    return kind("MlpPolicy", envs, gamma=gamma, seed=seed, device="cpu", verbose=0, **options)

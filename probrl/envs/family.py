"""What kind of environment it is, as far as that can be known without making it."""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv

from probrl.envs.make import EnvLike
from probrl.errors import EnvironmentError

IMAGES = "images"
LIBRARIES = {"ale_py": IMAGES}  # those that bring one kind of environment only


def family(env: EnvLike) -> tuple[str, str]:
    """The family of an environment and its name without the version, each empty where it is not known.

    Gymnasium's own families are those of its folders (``classic_control``, ``box2d``, ``mujoco``, ``toy_text``);
    ``images`` is what shows arrays of pixels. An id is looked up, an instance is asked, a callable is not called.

    Example:
        >>> family("Pendulum-v1"), family("no such thing")
        (('classic_control', 'Pendulum'), ('', ''))
    """
    spec = _spec(env)
    if spec is None:
        return (IMAGES if _shows_pixels(env) else ""), ""
    entry = spec.entry_point if isinstance(spec.entry_point, str) else getattr(spec.entry_point, "__module__", "")
    library, *rooms = entry.partition(":")[0].split(".")
    if library == "gymnasium" and len(rooms) > 1:
        return rooms[1], spec.name
    return LIBRARIES.get(library, IMAGES if _shows_pixels(env) else ""), spec.name


def _spec(env: EnvLike) -> Any:
    if not isinstance(env, str):
        return getattr(env, "spec", None) if isinstance(env, (gymnasium.Env, VectorEnv)) else None
    try:
        return gymnasium.spec(env.rpartition(":")[2])
    except (gymnasium.error.Error, EnvironmentError):
        return None  # whoever makes it says what is wrong with it


def _shows_pixels(env: EnvLike) -> bool:
    space = getattr(env, "single_observation_space", getattr(env, "observation_space", None))
    return isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 3 and space.dtype.name == "uint8"

"""Environments that record what they show."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium

from probrl.envs.make import make
from probrl.errors import EnvironmentError, MissingExtraError


def recorded(env: str, folder: str, episodes: int, **kwargs: Any) -> gymnasium.Env:
    """An environment that writes one film for each of its first episodes; close it to finish the last one.

    Args:
        env: an id.
        folder: where the films go.
        episodes: how many are recorded.
        kwargs: handed to the environment's constructor.

    Errors:
        MissingExtraError where films cannot be written; EnvironmentError for an environment that shows no pictures.
    """
    try:
        import moviepy  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("a video needs moviepy, which is missing: pip install 'probrl[video]'") from error
    make(env, **kwargs).close()  # says what is wrong with the id, in the words that are used everywhere
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the folder exists: films in it are overwritten
        kwargs = {**kwargs, "render_mode": "rgb_array", "disable_env_checker": True}
        shown = gymnasium.make(env.rpartition(":")[2], **kwargs)
        if shown.render_mode != "rgb_array":
            raise EnvironmentError(f"{env} shows no pictures: it has no render mode 'rgb_array'")
        return gymnasium.wrappers.RecordVideo(
            shown, folder, episode_trigger=lambda episode: episode < episodes, disable_logger=True
        )

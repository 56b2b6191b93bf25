"""From an algorithm's declaration to the function of that name that users call."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from probrl.envs import EnvLike, repeatable
from probrl.errors import DataError
from probrl.training.agent import PARTS, Agent
from probrl.training.settings import Settings, nearest
from probrl.training.tuned import tuned


def agent_of(algorithm: type[Any]) -> Callable[..., Agent]:
    """The function that makes agents of an algorithm: ``PPO = agent_of(algorithms.PPO)``.

    It takes the environment and, by name, the settings (:class:`Settings`), the algorithm's hyper-parameters and the
    user's own ``actor``, ``critic`` or ``loss``; an unknown name is refused with the nearest one. A hyper-parameter
    that is not given is the one that suits the environment (:func:`probrl.training.tuned.tuned`), or with
    ``tuned=False`` the declaration's default.
    """
    hyper = {f.name: f for f in dataclasses.fields(algorithm) if f.init}
    settings = {f.name: f for f in dataclasses.fields(Settings)}

    def build(env: EnvLike, **options: Any) -> Agent:
        known = [*hyper, *settings, *PARTS, "tuned"]
        for name in options:
            if name not in known:
                raise DataError(f"{algorithm.__name__} has no option {name!r}: {nearest(name, known)}")
        options = {name: _plain(value) for name, value in options.items()}
        given = {k: v for k, v in options.items() if k in hyper}
        if "num_envs" in hyper and hasattr(env, "action_space") and not repeatable(env):
            given["num_envs"] = int(getattr(env, "num_envs", 1))  # an instance is as many copies as it is
        declared = algorithm(**(tuned(algorithm, env, given) if options.get("tuned", True) else given))
        how = Settings(**{k: v for k, v in options.items() if k in settings})
        agent = Agent(declared, env, how, parts={k: v for k, v in options.items() if k in PARTS})
        if how.run is not None:
            agent.keep_in(how.run)
        return agent

    keyword = inspect.Parameter.KEYWORD_ONLY
    named = [
        inspect.Parameter(f.name, keyword, default=f.default, annotation=f.type)
        for f in [*settings.values(), *hyper.values()]
    ]
    named += [inspect.Parameter(name, keyword, default=None) for name in PARTS]
    named += [inspect.Parameter("tuned", keyword, default=True, annotation=bool)]
    first = inspect.Parameter("env", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    # what help() and editors show: every option by name, with its default
    build.__signature__ = inspect.Signature([first, *named])  # type: ignore[attr-defined]
    build.__name__ = build.__qualname__ = algorithm.__name__
    build.__doc__ = (
        f"{inspect.getdoc(algorithm)}\n\nReturns an :class:`Agent` for the environment; every field is an option.\n\n"
        f'Example:\n    >>> agent = pr.{algorithm.__name__}("CartPole-v1").learn(100_000)'
    )
    return build


def _plain(value: Any) -> Any:
    """Numbers of numpy, as from ``np.arange``, as Python's."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(_plain, value)) if type(value) in (tuple, list) else value
    return value.item() if isinstance(value, np.generic) else value

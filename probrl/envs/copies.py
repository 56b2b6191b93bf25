"""Copies of one environment: made, wrapped, and put side by side, in this process or each in its own."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from probrl.envs.copy import Copy
from probrl.envs.parallel import ParallelEnv
from probrl.errors import EnvironmentError, ProbrlError

Wrapping = Callable[[gymnasium.Env], gymnasium.Env]


def copies(
    maker: Callable[[], Any],
    num_envs: int,
    vectorization: str = "sync",
    wrappers: Sequence[Wrapping] = (),
    name: str | None = None,
) -> tuple[VectorEnv, str]:
    """A vector environment of copies, and what they are called.

    Args:
        maker: makes one environment.
        num_envs: how many.
        vectorization: "async" gives each a process of its own; all others step in turn.
        wrappers: applied to each in this order.
        name: what they are called; None asks the first.

    Errors:
        EnvironmentError if one cannot be made, is no environment, is the same as another, or differs in its spaces;
        what an id's own constructor raises is left as it is.
    """
    called: list[str] = [name] if name else []
    made: list[gymnasium.Env] = []
    here = os.getpid()

    def builder(index: int) -> Callable[[], gymnasium.Env]:
        def build() -> gymnasium.Env:
            if os.getpid() != here:
                _settle(index)
            env = _made(maker, index, by_id=name is not None)
            if any(env is other for other in made):
                raise EnvironmentError(
                    "the callable returned the same environment twice: it must make one at each call"
                )
            made.append(env)
            called.append(name_of(env))
            return Copy(_wrapped(env, wrappers), index, called[0])

        return build

    builders = [builder(i) for i in range(num_envs)]
    if vectorization == "async":
        return ParallelEnv(builders, name or "the environment"), called[0]
    try:
        # SAME_STEP: the true last observation comes with the step that ended, and no step is spent on a reset.
        return SyncVectorEnv(builders, copy=False, autoreset_mode=AutoresetMode.SAME_STEP), called[0]
    except RuntimeError as error:
        raise EnvironmentError(f"the copies of {called[0]} differ: {' '.join(str(error).split())}") from error
    except (TypeError, AttributeError) as error:
        if name is not None:
            raise
        raise EnvironmentError(f"{called[0]} cannot be used: {' '.join(str(error).split())}") from error


def _settle(index: int) -> None:
    """What a process of its own does first."""
    # ctrl-C reaches every process of a terminal: it is for the one that learns, which ends the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # one that was forked must not wait for threads that it has not inherited
    torch.set_num_threads(1)
    # and has the streams of Python and numpy that all others have
    random.seed(random.getrandbits(64) + index)
    np.random.seed((np.random.randint(2**31) + index) % 2**32)


def name_of(env: Any) -> str:
    """What an environment is called in messages and manifests."""
    spec = getattr(env, "spec", None)
    return spec.id if spec is not None else type(getattr(env, "unwrapped", env)).__name__


def _made(maker: Callable[[], Any], index: int, by_id: bool) -> gymnasium.Env:
    try:
        env = maker()
    except Exception as error:
        if by_id or isinstance(error, ProbrlError):
            raise
        text = " ".join(str(error).split())
        raise EnvironmentError(f"environment {index} cannot be made: {type(error).__name__} {text}") from error
    if not isinstance(env, gymnasium.Env):
        raise EnvironmentError(f"the callable must return a gymnasium.Env, it returned {type(env).__name__}")
    return env


def _wrapped(env: gymnasium.Env, wrappers: Sequence[Wrapping]) -> gymnasium.Env:
    for wrapper in wrappers:
        inner, called = env, getattr(wrapper, "__name__", repr(wrapper))
        try:
            env = wrapper(env)
        except ProbrlError:
            raise
        except Exception as error:
            text = " ".join(str(error).split())
            raise EnvironmentError(
                f"the wrapper {called} cannot go around {inner}: {type(error).__name__} {text}"
            ) from error
        if not isinstance(env, gymnasium.Env):
            raise EnvironmentError(f"the wrapper {called} must return a gymnasium.Env, it made {env!r} of {inner}")
    return env

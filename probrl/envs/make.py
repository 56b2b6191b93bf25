"""One way into gymnasium: an id, a callable, an environment or a vector environment becomes :class:`Environments`."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv

from probrl.envs.choices import quicker
from probrl.envs.copies import Wrapping, copies, name_of
from probrl.envs.vector import Environments
from probrl.errors import EnvironmentError, MissingExtraError

VECTORIZATIONS = ("auto", "native", "sync", "async")
EnvLike = str | Callable[[], gymnasium.Env] | gymnasium.Env | VectorEnv


def make(
    env: EnvLike,
    num_envs: int | None = None,
    vectorization: str = "auto",
    wrappers: Sequence[Wrapping] = (),
    **kwargs: Any,
) -> Environments:
    """Several copies of an environment that step together.

    An id uses gymnasium's native vector entry point where the environment has one, else copies that step one after
    the other; a callable is called once per copy; an instance is one copy; a vector environment is taken as it is.

    Args:
        env: ``"CartPole-v1"``, a callable that makes one environment, an environment, or a vector environment.
        num_envs: how many copies; None is one, or as many as a vector environment has.
        vectorization: "native" asks for the environment's own vector environment; "sync" steps copies one after the
            other in this process; "async" gives each a process of its own; "auto" is native where there is one and
            nothing is wrapped, else sync.
        wrappers: callables from an environment to an environment, applied to each copy in this order.
        kwargs: handed to the environment's constructor (ids only).

    Errors:
        EnvironmentError for an unknown id (with the nearest one), an unsupported space, a wrong number of copies, a way
        of stepping that this environment does not have; MissingExtraError when the simulator is not installed.

    Example:
        >>> environments = make("CartPole-v1", num_envs=4)
        >>> environments.reset(seed=1).shape
        (4, 4)
    """
    if num_envs is not None and (isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1):
        raise EnvironmentError(f"num_envs must be a positive whole number, got {num_envs!r}")
    if vectorization not in VECTORIZATIONS:
        raise EnvironmentError(f"vectorization is {', '.join(map(repr, VECTORIZATIONS))}, not {vectorization!r}")
    if isinstance(env, Environments):
        raise EnvironmentError("these environments are made already: hand over what they were made from")
    for wrapper in wrappers:
        if not callable(wrapper):
            raise EnvironmentError(f"a wrapper is a callable from environment to environment, not {wrapper!r}")
    if isinstance(env, str):
        return Environments(_from_id(env, num_envs or 1, vectorization, wrappers, kwargs), env)
    if kwargs:
        raise EnvironmentError(f"{', '.join(kwargs)}: constructor arguments go with an environment id only")
    if isinstance(env, VectorEnv):
        return _taken(env, num_envs, vectorization, wrappers)
    if not callable(env) and not isinstance(env, gymnasium.Env):
        raise EnvironmentError(
            f"an environment is an id, a callable, a gymnasium.Env or a gymnasium VectorEnv, not {type(env).__name__}"
        )
    if vectorization == "native":
        raise EnvironmentError("only an id has a native vector environment: write vectorization='sync' or 'async'")
    if isinstance(env, gymnasium.Env):
        if num_envs not in (None, 1):
            raise EnvironmentError(f"an environment is one copy, but num_envs is {num_envs}: hand over a callable")
        if vectorization == "async":
            raise EnvironmentError("an environment that exists stays in this process: hand over a callable for 'async'")
        instance = env
        return Environments(*copies(lambda: instance, 1, "sync", wrappers))
    return Environments(*copies(env, num_envs or 1, vectorization, wrappers))


def repeatable(env: EnvLike) -> bool:
    """Whether any number of copies can be made of it: of an id or a callable, but not of an instance."""
    return isinstance(env, str) or (callable(env) and not isinstance(env, (gymnasium.Env, VectorEnv)))


def of_copies(env: EnvLike) -> bool:
    """Whether single environments are behind it, which can be wrapped one by one: anything but a vector environment."""
    return not isinstance(env, VectorEnv)


def listed() -> list[str]:
    """The ids that gymnasium knows, the newest version of each, without those that need jax."""
    newest: dict[tuple[str | None, str], tuple[int, str]] = {}
    for spec in gymnasium.registry.values():
        if spec.namespace in ("phys2d", "tabular", "GymV21Environment", "GymV26Environment") or "Gym" in spec.name:
            continue
        key = (spec.namespace, spec.name)
        newest[key] = max(newest.get(key, (-1, "")), (spec.version or 0, spec.id))
    return sorted(name for _, name in newest.values())


def _taken(env: VectorEnv, num_envs: int | None, vectorization: str, wrappers: Sequence[Wrapping]) -> Environments:
    if num_envs not in (None, env.num_envs):
        raise EnvironmentError(f"the vector environment has {env.num_envs} copies, but num_envs is {num_envs}")
    if vectorization != "auto":
        raise EnvironmentError(
            f"a vector environment steps in its own way: vectorization={vectorization!r} is for others"
        )
    if wrappers:
        raise EnvironmentError("wrappers go around single copies: wrap the vector environment before handing it over")
    return Environments(env, name_of(env))


def _from_id(
    name: str, num_envs: int, vectorization: str, wrappers: Sequence[Wrapping], kwargs: dict[str, Any]
) -> VectorEnv:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old versions, checks that concern the author of the environment
            spec = gymnasium.spec(_import_module(name))
            native = spec.vector_entry_point is not None and not spec.additional_wrappers
            if vectorization == "native":
                if not native:
                    raise EnvironmentError(f"{name} has no native vector environment: write 'sync' or 'async'")
                if wrappers:
                    raise EnvironmentError("wrappers go around single copies: write vectorization='sync' or 'async'")
            if native and not wrappers and vectorization in ("auto", "native"):
                return quicker(gymnasium.make_vec(spec, num_envs, vectorization_mode="vector_entry_point", **kwargs))
            one = partial(gymnasium.make, spec, disable_env_checker=True, **kwargs)
            return copies(one, num_envs, vectorization, wrappers, name)[0]
    except EnvironmentError:
        raise
    except (gymnasium.error.UnregisteredEnv, gymnasium.error.DeprecatedEnv) as error:
        raise EnvironmentError(f"no environment is called {name!r}{_nearest(name)}") from error
    except (gymnasium.error.DependencyNotInstalled, ImportError) as error:
        module = getattr(error, "name", None)
        if module and module.split(".")[0] not in ("Box2D", "mujoco", "pygame"):
            raise MissingExtraError(f"{name} needs {module!r}, which is missing: pip install {module}") from error
        raise MissingExtraError(f"{name} needs a simulator that is missing: pip install 'probrl[envs]'") from error
    except (gymnasium.error.Error, TypeError, AttributeError) as error:
        if "No registered env" in str(error):
            raise EnvironmentError(f"no environment is called {name!r}{_nearest(name)}") from error
        raise EnvironmentError(f"{name} cannot be made: {' '.join(str(error).split())}") from error


def _import_module(name: str) -> str:
    # "package.module:Env-v0" registers its environments when the module is imported
    if ":" not in name:
        return name
    module, _, rest = name.partition(":")
    try:
        __import__(module)
    except ImportError as error:
        raise EnvironmentError(f"{name}: the module {module!r} cannot be imported ({error})") from error
    return rest


def _nearest(name: str) -> str:
    known = listed()
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not near:
        lower = {k.lower(): k for k in known}
        near = [lower[k] for k in difflib.get_close_matches(name.lower(), list(lower), n=1, cutoff=0.6)]
    return (
        f": did you mean {near[0]!r}?"
        if near
        else (
            ": probrl list shows those that there are, and a package's own are named with it, as in 'ale_py:ALE/Pong-v5'"
        )
    )

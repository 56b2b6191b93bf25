"""One way into gymnasium: an id, a callable, an environment or a vector environment becomes :class:`Environments`."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from probrl.envs.vector import Environments
from probrl.errors import EnvironmentError, MissingExtraError

EnvLike = str | Callable[[], gymnasium.Env] | gymnasium.Env | VectorEnv


def make(env: EnvLike, num_envs: int | None = None, **kwargs: Any) -> Environments:
    """Several copies of an environment that step together.

    An id uses gymnasium's native vector entry point where the environment has one, else copies that step one after
    the other; a callable is called once per copy; an instance is one copy; a vector environment is taken as it is.

    Args:
        env: ``"CartPole-v1"``, a callable that makes one environment, an environment, or a vector environment.
        num_envs: how many copies; None is one, or as many as a vector environment has.
        kwargs: handed to the environment's constructor (ids only).

    Errors:
        EnvironmentError for an unknown id (with the nearest one), an unsupported space, a wrong number of copies;
        MissingExtraError when the simulator is not installed.

    Example:
        >>> environments = make("CartPole-v1", num_envs=4)
        >>> environments.reset(seed=1).shape
        (4, 4)
    """
    if num_envs is not None and (isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1):
        raise EnvironmentError(f"num_envs must be a positive whole number, got {num_envs!r}")
    if isinstance(env, Environments):
        raise EnvironmentError("these environments are made already: hand over what they were made from")
    if isinstance(env, str):
        return Environments(_from_id(env, num_envs or 1, kwargs), env)
    if kwargs:
        raise EnvironmentError(f"{', '.join(kwargs)}: constructor arguments go with an environment id only")
    if isinstance(env, VectorEnv):
        if num_envs not in (None, env.num_envs):
            raise EnvironmentError(f"the vector environment has {env.num_envs} copies, but num_envs is {num_envs}")
        return Environments(env, name_of(env))
    if isinstance(env, gymnasium.Env):
        if num_envs not in (None, 1):
            raise EnvironmentError(f"an environment is one copy, but num_envs is {num_envs}: hand over a callable")
        return Environments(_in_turn([lambda: env]), name_of(env))
    if callable(env):
        copies = _in_turn([env] * (num_envs or 1))
        return Environments(copies, name_of(copies.envs[0]))
    raise EnvironmentError(
        f"an environment is an id, a callable, a gymnasium.Env or a gymnasium VectorEnv, not {type(env).__name__}"
    )


def repeatable(env: EnvLike) -> bool:
    """Whether any number of copies can be made of it: of an id or a callable, but not of an instance."""
    return isinstance(env, str) or (callable(env) and not isinstance(env, (gymnasium.Env, VectorEnv)))


def listed() -> list[str]:
    """The ids that gymnasium knows, the newest version of each, without those that need jax."""
    newest: dict[tuple[str | None, str], tuple[int, str]] = {}
    for spec in gymnasium.registry.values():
        if spec.namespace in ("phys2d", "tabular", "GymV21Environment", "GymV26Environment") or "Gym" in spec.name:
            continue
        key = (spec.namespace, spec.name)
        newest[key] = max(newest.get(key, (-1, "")), (spec.version or 0, spec.id))
    return sorted(name for _, name in newest.values())


def name_of(env: Any) -> str:
    """What an environment is called in messages and manifests."""
    spec = getattr(env, "spec", None)
    return spec.id if spec is not None else type(getattr(env, "unwrapped", env)).__name__


def _in_turn(makers: list[Callable[[], gymnasium.Env]]) -> SyncVectorEnv:
    def checked(maker: Callable[[], Any]) -> Callable[[], gymnasium.Env]:
        def build() -> gymnasium.Env:
            made = maker()
            if not isinstance(made, gymnasium.Env):
                raise EnvironmentError(f"the callable must return a gymnasium.Env, it returned {type(made).__name__}")
            return made

        return build

    # SAME_STEP: the true last observation comes with the step that ended, and no step is spent on a reset.
    return SyncVectorEnv([checked(m) for m in makers], copy=False, autoreset_mode=AutoresetMode.SAME_STEP)


def _from_id(name: str, num_envs: int, kwargs: dict[str, Any]) -> VectorEnv:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old versions, checks that concern the author of the environment
            spec = gymnasium.spec(_import_module(name))
            if spec.vector_entry_point is not None and not spec.additional_wrappers:
                return gymnasium.make_vec(spec, num_envs, vectorization_mode="vector_entry_point", **kwargs)
            return _in_turn([lambda: gymnasium.make(spec, disable_env_checker=True, **kwargs)] * num_envs)
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
    return f": did you mean {near[0]!r}?" if near else ": gymnasium.pprint_registry() lists all of them"

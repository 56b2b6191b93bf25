"""What simulators keep outside of Python: the parts of their state that can be told, and those that never move."""

from __future__ import annotations

import sys
import zlib
from typing import Any

import numpy as np

WINDOWS = ("pygame", "glfw", "gymnasium.envs.mujoco.mujoco_rendering")  # what is drawn does not move what happens


def fixed(value: Any) -> str | None:
    """The name of a part that its constructor makes and no step moves, or None."""
    module, name = _module(value), type(value).__name__
    if module.startswith(WINDOWS):
        return f"{module}.{name}"
    if module.startswith("mujoco") and name == "MjModel":
        return f"MjModel {_fingerprint(value):08x}"
    return None


def taken(value: Any) -> dict[str, Any] | None:
    """The whole state of a simulator as arrays, or None if it is none that can tell.

    MuJoCo's integrator needs positions, velocities, activations and the warm start, but environments also read what
    the last step derived from them (where bodies were), so every array is taken.
    """
    if not _is_mujoco(value):
        return None
    found = {name: np.array(array) for name, array in _arrays(value).items()}
    return {"time": float(value.time), "arrays": found}


def renew(env: Any) -> None:
    """Gives an environment of gymnasium's a new Box2D world before a reset: an old one remembers past episodes.

    The order in which bodies of earlier episodes were made decides the last bits of later ones, so an episode could not
    be played again from its seed.
    """
    world: Any = getattr(env, "world", None)
    if not type(env).__module__.startswith("gymnasium.envs.box2d") or type(world).__name__ != "b2World":
        return
    env._destroy()
    env.world = type(world)(gravity=world.gravity, contactListener=world.contactListener)


def put(current: Any, state: dict[str, Any], path: str) -> None:
    """Moves a simulator to a state; ValueError if it is another one."""
    if not _is_mujoco(current):
        raise ValueError(f"{path} is no simulator here")
    arrays = _arrays(current)
    current.time = state["time"]
    for name, array in state["arrays"].items():
        if name not in arrays or arrays[name].shape != array.shape:
            raise ValueError(f"{path}.{name} has another shape here")
        arrays[name][...] = array


def _module(value: Any) -> str:
    return getattr(type(value), "__module__", None) or ""  # some wrapped C++ classes have none


def _is_mujoco(value: Any) -> bool:
    return _module(value).startswith("mujoco") and type(value).__name__ == "MjData"


def _arrays(data: Any) -> dict[str, np.ndarray[Any, Any]]:
    # Contacts, constraints and the islands that they make are found anew by every step, and their number with them: a
    # simulator that has just been made has none.
    fresh = sys.modules["mujoco"].MjData(data.model)
    names = [n for n in dir(fresh) if not (n.startswith("_") or "island" in n or "idof" in n)]
    kept = [n for n in names if isinstance(array := getattr(fresh, n, None), np.ndarray) and array.size]
    return {n: array for n in kept if (array := getattr(data, n)).flags.writeable}


def _fingerprint(model: Any) -> int:
    mujoco = sys.modules["mujoco"]
    buffer = np.zeros(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return zlib.crc32(buffer.tobytes())

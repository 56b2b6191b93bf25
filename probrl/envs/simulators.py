"""What simulators keep outside of Python: the parts of their state that can be told, and those that never move."""

from __future__ import annotations

import sys
import zlib
from typing import Any

import numpy as np

WINDOWS = ("pygame", "glfw", "gymnasium.envs.mujoco.mujoco_rendering")  # what is drawn does not move what happens


def fixed(value: Any) -> str | None:
    """The name of a part that its constructor makes and no step moves, or None."""
    module, name = type(value).__module__ or "", type(value).__name__
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


def _is_mujoco(value: Any) -> bool:
    return (type(value).__module__ or "").startswith("mujoco") and type(value).__name__ == "MjData"


def _arrays(data: Any) -> dict[str, np.ndarray[Any, Any]]:
    # contacts and constraints are made anew by every step, and their number with them: simulators that have just been
    # made have none
    fresh = sys.modules["mujoco"].MjData(data.model)
    found = {}
    for name in dir(data):
        array = None if name.startswith("_") else getattr(data, name, None)
        if isinstance(array, np.ndarray) and array.flags.writeable and getattr(fresh, name).size:
            found[name] = array
    return found


def _fingerprint(model: Any) -> int:
    mujoco = sys.modules["mujoco"]
    buffer = np.zeros(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return zlib.crc32(buffer.tobytes())

"""Files of arrays: what is in them, without running anything that they hold."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from probrl.errors import DataError


def read(path: str | Path) -> Any:
    """The arrays of a file: a dict by name, or what was stored in its place.

    Nothing is unpickled but tensors and plain containers, so that a file from elsewhere cannot run code.

    Args:
        path: a file of ``.npz``, ``.npy``, ``.pt``, ``.pth`` or ``.safetensors``.

    Errors:
        DataError naming the file: there is none, its kind is another, or it is damaged or holds other objects.
    """
    path = Path(path)
    if path.suffix.lower() not in _READERS:
        raise DataError(f"{path} is no file of arrays that can be read: there is {', '.join(_READERS)}")
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        return _READERS[path.suffix.lower()](path)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path} holds other objects than tensors and plain containers, which are not unpickled: "
            "save a dict of tensors, torch.save({'x': x}, path)"
        ) from error
    except (OSError, EOFError, ValueError, RuntimeError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def _numpy(path: Path) -> Any:
    import numpy

    found = numpy.load(path, allow_pickle=False)
    return {name: found[name] for name in found.files} if path.suffix.lower() == ".npz" else found


def _torch(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


_READERS: dict[str, Callable[[Path], Any]] = {
    ".npz": _numpy, ".npy": _numpy, ".pt": _torch, ".pth": _torch, ".safetensors": _safetensors,
}  # fmt: skip

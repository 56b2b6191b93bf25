"""Python objects as plain types and tensors, and back into an object of the same make, bit for bit."""

from __future__ import annotations

import enum
import logging
import pathlib
import random
import re
import types
import zlib
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch

from probrl.envs import simulators

PLAIN = (type(None), bool, int, float, str, bytes)
FIXED = (type, types.ModuleType, np.ufunc, np.dtype, pathlib.PurePath, re.Pattern, range, slice, logging.Logger)
SEQUENCES: dict[str, type] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
DICTS: dict[str, type] = {"dict": dict, "ordered": OrderedDict}
LARGE = 1 << 16  # bytes of an array that is worth a look whether it moves at all
HEAP = 1 << 9  # CPython's flag of a class made by a class statement
LARGEST = 32  # bytes of an instance with a dict and a list of weak references; more hides something else
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


class NotPlain(Exception):
    """Something whose value cannot be told; the message names where it stands and what it is."""


class Writer:
    """Turns values into plain types and tensors that ``torch.load(weights_only=True)`` reads.

    An object that occurs twice is written once, so that what was shared stays shared. What a constructor makes and
    nobody moves (functions, classes, spaces, compiled models) is only named: :class:`Reader` leaves it as it finds it.

    Args:
        owners: objects that may occur, and their bound methods, and are only named.
        known: checksums of large arrays by their paths, as :attr:`large` had them: those that are still the same are
            only named, for a constructor makes them again.

    Attributes:
        large: checksums of the large arrays that were written, by their paths.
        sure: whether any object of the same make can be given what was written. Objects of a user's classes are written
            by their attributes, and an object of that class must stand in the same place.

    Example:
        >>> Reader().read(Writer().write({"x": [1, 2.5, None]}))
        {'x': [1, 2.5, None]}
    """

    def __init__(self, owners: tuple[object, ...] = (), known: Mapping[str, int] | None = None) -> None:
        self._owners, self.sure = owners, True
        self._known, self.large = known or {}, dict[str, int]()
        self._seen: dict[int, int] = {}
        self._alive: list[object] = []  # an id is of an object only while that object lives
        self._memory: dict[int, object] = {}  # who owns which numbers

    def write(self, value: Any, path: str = "value") -> Any:
        """The value in plain types; NotPlain if it holds something that has no such form."""
        if type(value) in PLAIN:
            return value
        if isinstance(value, np.generic):
            return {"scalar": _tensor(np.array(value), path)}
        if name := fixed(value, self._owners):
            return {"fixed": name}
        for i, owner in enumerate(self._owners):
            if value is owner:
                return {"owner": i}
        if id(value) in self._seen:
            return {"again": self._seen[id(value)]}
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        return self._mutable(value, path)

    def _mutable(self, value: Any, path: str) -> Any:
        kind = type(value)
        for tag, sequence in SEQUENCES.items():
            if kind is sequence:
                return {tag: [self.write(x, f"{path}[{i}]") for i, x in enumerate(value)]}
        for tag, mapping in DICTS.items():
            if kind is mapping:
                return {tag: [[self.write(k, path), self.write(v, f"{path}[{k!r}]")] for k, v in value.items()]}
        if kind is deque:
            return {"deque": [self.write(x, f"{path}[{i}]") for i, x in enumerate(value)], "maxlen": value.maxlen}
        if kind is np.ndarray:
            self._owned_once(value, path)
            if value.dtype.kind in "SU":
                letters = np.frombuffer(value.tobytes(), np.uint8).copy()
                return {"letters": torch.from_numpy(letters), "dtype": value.dtype.str, "shape": list(value.shape)}
            if value.nbytes >= LARGE:
                self.large[path] = zlib.crc32(np.ascontiguousarray(value).data)
                if self._known.get(path) == self.large[path]:
                    return {"made": self.large[path]}
            return {"array": _tensor(np.array(value, order="C"), path)}
        if isinstance(value, gymnasium.Space):
            return {"space": [None if g is None else self.write(g, path) for g in _generators(value)]}
        if kind is torch.Tensor and not value.requires_grad:
            return {"tensor": value.detach().cpu().clone()}
        return self._generator(value, path)

    def _generator(self, value: Any, path: str) -> Any:
        if type(value) is np.random.Generator:
            return {"generator": self.write(value.bit_generator.state, path)}
        if type(value) is np.random.RandomState:
            return {"random_state": self.write(value.get_state(legacy=False), path)}
        if type(value) is random.Random:
            return {"random": self.write(value.getstate(), path)}
        if type(value) is torch.Generator:
            return {"torch_generator": value.get_state()}
        if (state := simulators.taken(value)) is not None:
            return {"simulator": self.write(state, path)}
        return self._object(value, path)

    def _object(self, value: Any, path: str) -> Any:
        kind = type(value)
        self.sure = False
        if isinstance(value, enum.Enum):
            return {"enum": value.name, "class": kind.__qualname__}
        if _transparent(kind):
            inside = {k: self.write(v, f"{path}.{k}") for k, v in list(vars(value).items())}
            return {"object": inside, "class": kind.__qualname__}
        raise NotPlain(f"{path} is a {type(value).__name__}")

    def _owned_once(self, array: np.ndarray[Any, Any], path: str) -> None:
        root: Any = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        if self._memory.setdefault(id(root), array) is not array:
            raise NotPlain(f"{path} is a view of another array")
        self._alive.append(root)


class Reader:
    """Turns what a :class:`Writer` wrote into values again; objects that exist already are moved in place."""

    def __init__(self) -> None:
        self._made: list[Any] = []

    def read(self, written: Any, current: Any = None, path: str = "value") -> Any:
        """The value; NotPlain if what is there now is of another make."""
        if type(written) in PLAIN:
            return written
        tag, content = next(iter(written.items()))
        if tag == "scalar":
            return content.numpy()[()]
        if tag == "fixed":
            if fixed(current, None) != content:
                raise NotPlain(f"{path} was {content}, here it is {fixed(current, None) or type(current).__name__}")
            return current
        if tag == "again":
            return self._made[content]
        if tag == "owner":
            return current
        place = len(self._made)
        self._made.append(None)
        value = self._made[place] = self._mutable(tag, written, current, path, place)
        return value

    def _mutable(self, tag: str, written: dict[str, Any], current: Any, path: str, place: int) -> Any:
        content = written[tag]
        if tag in SEQUENCES:
            return SEQUENCES[tag](self._each(content, current, path))
        if tag in DICTS:
            now = current if isinstance(current, dict) else {}
            made = self._made[place] = DICTS[tag]()
            for key, x in content:
                name = self.read(key)
                made[name] = self.read(x, now.get(name), f"{path}[{name!r}]")
            return made
        if tag == "deque":
            return deque(self._each(content, current, path), maxlen=written["maxlen"])
        if tag == "array":
            return content.numpy().copy()
        if tag == "made":
            if type(current) is not np.ndarray or zlib.crc32(np.ascontiguousarray(current).data) != content:
                raise NotPlain(f"{path} was made with other numbers")
            return current
        if tag == "letters":
            return np.frombuffer(content.numpy().tobytes(), written["dtype"]).reshape(written["shape"]).copy()
        if tag == "tensor":
            return content.clone()
        if tag == "space":
            generators = _generators(current)
            if len(generators) != len(content):
                raise NotPlain(f"{path} is another space")
            for owner, x in zip(_spaces(current), content, strict=True):
                owner._np_random = self.read(x, owner._np_random)
            return current
        if tag in ("enum", "object"):
            return self._object(tag, written, current, path, place)
        if tag == "simulator":
            simulators.put(current, self.read(content), path)
            return current
        return self._generator(tag, content, current, path)

    def _generator(self, tag: str, content: Any, current: Any, path: str) -> Any:
        if tag == "torch_generator":
            made = current if isinstance(current, torch.Generator) else torch.Generator()
            made.set_state(content)
            return made
        state = self.read(content)
        if tag == "generator":
            name = state["bit_generator"]
            if name not in BIT_GENERATORS:
                raise NotPlain(f"{path} is drawn by {name}")
            if type(current) is not np.random.Generator or current.bit_generator.state["bit_generator"] != name:
                current = np.random.Generator(getattr(np.random, name)(0))
            current.bit_generator.state = state
            return current
        if tag == "random_state":
            current = current if isinstance(current, np.random.RandomState) else np.random.RandomState(0)
            current.set_state(state)
            return current
        if tag == "random":
            current = current if isinstance(current, random.Random) else random.Random(0)
            current.setstate(state)
            return current
        raise NotPlain(f"{path} was written as {tag!r}, which nobody here can read")

    def _object(self, tag: str, written: dict[str, Any], current: Any, path: str, place: int) -> Any:
        kind, content = type(current), written[tag]
        if kind.__qualname__ != written["class"]:
            raise NotPlain(f"{path} was a {written['class']}, here it is a {kind.__qualname__}")
        if tag == "enum":
            return kind[content]
        self._made[place] = current
        inside = vars(current)
        for name in inside.keys() - content.keys():
            del inside[name]
        for name, x in content.items():
            inside[name] = self.read(x, inside.get(name), f"{path}.{name}")
        return current

    def _each(self, content: list[Any], current: Any, path: str) -> list[Any]:
        now = list(current) if isinstance(current, (list, tuple, deque)) else []
        now += [None] * (len(content) - len(now))
        return [self.read(x, now[i], f"{path}[{i}]") for i, x in enumerate(content)]


def fixed(value: Any, owners: tuple[object, ...] | None) -> str | None:
    """The name of something that is made once and never moved, or None; ``owners=None`` allows every bound method."""
    if isinstance(value, types.FunctionType):
        return f"function {value.__qualname__}" if _closed_over_constants(value) else None
    if isinstance(value, types.MethodType):
        known = owners is None or isinstance(value.__self__, type) or any(value.__self__ is o for o in owners)
        return f"method {value.__func__.__qualname__}" if known else None
    if isinstance(value, types.BuiltinFunctionType):
        known = value.__self__ is None or isinstance(value.__self__, (types.ModuleType, type))
        return f"function {value.__qualname__}" if known else None
    kind = f"{getattr(type(value), '__module__', '')}.{type(value).__name__}"
    if isinstance(value, FIXED):
        return f"{kind} {getattr(value, '__name__', value)}"
    if isinstance(value, gymnasium.envs.registration.EnvSpec):
        return f"{kind} {value.id}"
    return simulators.fixed(value)


def _closed_over_constants(function: types.FunctionType) -> bool:
    for cell in function.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:  # not filled yet
            return False
        if not (type(content) in PLAIN or isinstance(content, (np.generic, *FIXED)) or fixed(content, ())):
            return False
    return True


def _transparent(kind: type) -> bool:
    """Whether all that an instance holds is in its attributes: a class written in Python, from classes like it."""
    written_in_python = all(cls is object or cls.__flags__ & HEAP for cls in kind.__mro__)
    slots = any(vars(cls).get("__slots__") for cls in kind.__mro__)
    return written_in_python and not slots and hasattr(kind, "__dict__") and kind.__basicsize__ <= LARGEST


def _tensor(array: np.ndarray[Any, Any], path: str) -> torch.Tensor:
    try:
        return torch.from_numpy(array)
    except (TypeError, ValueError) as error:
        raise NotPlain(f"{path} holds {array.dtype}") from error


def _spaces(space: gymnasium.Space) -> list[gymnasium.Space]:
    inner = getattr(space, "spaces", None)
    parts = list(inner.values()) if isinstance(inner, dict) else list(inner or ())
    return [space, *(x for part in parts for x in _spaces(part))]


def _generators(space: Any) -> list[Any]:
    return [x._np_random for x in _spaces(space)] if isinstance(space, gymnasium.Space) else []

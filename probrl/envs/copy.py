"""One of several copies of an environment: it says which one it is when it goes wrong, and it tells its state."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any

import gymnasium
import numpy as np

from probrl.envs import simulators
from probrl.envs.faults import NO_PAIR, misfit, said
from probrl.envs.levels import levels, put, put_start, start, told
from probrl.envs.plain import NotPlain, Reader, Writer
from probrl.errors import EnvironmentError
from probrl.nested import parts

LONGEST = 100_000  # steps of an episode that are remembered for a replay
BOOLS = (bool, np.bool_)
PAIR = struct.Struct("d?").pack
WATCHED = 20  # resets and steps that are watched for draws from the generators that a whole process shares


class Trail:
    """How an episode came about: what it started from, and the actions since.

    Args:
        seed: of its reset.
        options: of its reset.
        start: numbers and generators of the environment before that reset.
    """

    def __init__(self, seed: int | None, options: Any, start: list[dict[str, Any]]) -> None:
        self.seed, self.options, self.start = seed, options, start
        self.actions: list[Any] = []
        self.seen = 0  # a checksum of everything that the episode showed

    def add(self, observation: Any, reward: Any = 0.0, over: Any = False) -> None:
        """Goes on with the checksum."""
        seen = zlib.crc32(PAIR(reward, over), self.seen)
        if type(observation) is np.ndarray:
            self.seen = zlib.crc32(observation.tobytes(), seen)
            return
        for _, part in parts(observation):
            seen = zlib.crc32(np.asarray(part).tobytes(), seen)
        self.seen = seen


class Copy(gymnasium.Wrapper):
    """A copy of an environment among others.

    Args:
        env: the environment.
        index: which one it is.
        name: what all of them are called.

    Errors:
        EnvironmentError in one line that names index and step: whatever is raised by the environment, a ``step`` that
        gives 4 values, a ``reset`` that gives no pair, an observation of another shape or kind than was declared.
    """

    def __init__(self, env: gymnasium.Env, index: int, name: str) -> None:
        super().__init__(env)
        self._index, self._called = index, name
        self._steps = 0
        self._trail: Trail | None = None
        self._remember: bool | None = None  # None until a first reset has shown whether the state can be told
        self._made: dict[str, int] = {}  # checksums of large arrays as the constructor made them
        self._watched = 0
        self._global = False
        self._box = env.observation_space if type(env.observation_space) is gymnasium.spaces.Box else None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Starts an episode."""
        first = self._remember is None
        trail = Trail(seed, options, start(self.env)) if first or self._remember else None
        if first:
            self._made = self._told()[1].large
        before = _shared() if self._watched < WATCHED else None
        if self._remember:
            simulators.renew(self.env.unwrapped)
        try:
            result = self.env.reset(seed=seed, options=options)
        except Exception as error:
            raise self._blame("reset", error) from error
        if not isinstance(result, tuple) or len(result) != 2:
            raise EnvironmentError(f"{self._where()} {NO_PAIR.format(self._steps)}")
        observation, info = result
        self._look(observation)
        if before is not None:
            self._watch(before)
        if first:
            self._remember = not self._told()[1].sure
        self._trail = trail if self._remember else None
        if self._trail is not None:
            self._trail.add(observation)
        return observation, info

    def step(self, action: Any) -> Any:
        """Executes one action."""
        before = _shared() if self._watched < WATCHED else None
        try:
            observation, reward, terminated, truncated, info = result = self.env.step(action)
        except Exception as error:
            raise self._blame("step", error) from error
        try:
            float(reward)
        except Exception as error:
            given = " ".join(repr(reward).split())
            raise EnvironmentError(
                f"{self._where()} gave reward as {given} at step {self._steps}, not as a number"
            ) from error
        if type(terminated) not in BOOLS or type(truncated) not in BOOLS or type(info) is not dict:
            self._look_aside(terminated, truncated, info)
        box = self._box
        # the two comparisons that nearly always hold, before anything that takes longer
        if box is None or getattr(observation, "shape", None) != box.shape or observation.dtype is not box.dtype:
            self._look(observation)
        self._steps += 1
        if self._trail is not None:
            self._follow(action, observation, reward, terminated or truncated)
        if before is not None:
            self._watch(before)
        return result

    # --- state -------------------------------------------------------------------------------------------------
    def kept_state(self) -> dict[str, Any]:
        """The state in plain types and tensors: kind "exact", "replay" or "none" with a reason."""
        written, writer = self._told(self._made)
        common = {"steps": self._steps, "remember": self._remember, "shared": _shared_state() if self._global else None}
        if isinstance(written, list):
            trail = None if writer.sure else self._written_trail()
            return {"kind": "exact", "levels": written, "trail": trail, "made": self._made, **common}
        self._remember = True  # from the next episode on
        try:
            trail = self._written_trail()
        except NotPlain as error:
            return {"kind": "none", "reason": f"copy {self._index}: {written}, and of its actions {error}"}
        if trail is None:
            long = self._trail is not None
            why = "its episode is too long for a replay" if long else "this episode was not recorded"
            return {"kind": "none", "reason": f"copy {self._index}: {written}, and {why}"}
        return {"kind": "replay", "levels": None, "trail": trail, **common}

    def take_state(self, states: list[dict[str, Any]]) -> str | None:
        """Goes on from the state at this copy's index; a reason if it cannot."""
        state = states[self._index]
        self._remember = state["remember"]
        try:
            self._put(state)
        except Exception as error:
            why = str(error) if isinstance(error, NotPlain) else f"{type(error).__name__} {error}"
            return f"copy {self._index}: {' '.join(why.split())}"
        self._steps = state["steps"]
        if state["shared"] is not None:
            _put_shared(state["shared"])
            self._global = True
        return None

    def _told(self, made: dict[str, int] | None = None) -> tuple[list[dict[str, Any]] | NotPlain, Writer]:
        found = levels(self.env)
        writer = Writer(tuple(found), made)
        try:
            return told(writer, found), writer
        except (NotPlain, RecursionError) as error:
            writer.sure = False
            return NotPlain(" ".join(str(error).split())), writer

    def _written_trail(self) -> dict[str, Any] | None:
        trail = self._trail
        if trail is None or len(trail.actions) > LONGEST:
            return None
        actions, options = Writer().write(trail.actions), Writer().write(trail.options)
        return {"seed": trail.seed, "options": options, "start": trail.start, "actions": actions, "seen": trail.seen}

    def _put(self, state: dict[str, Any]) -> None:
        trail = state["trail"]
        if state["levels"] is not None:
            try:
                self.env.reset(seed=0)  # makes what only a reset makes; all of it is written over
                put(levels(self.env), state["levels"], known=state["made"])
                self._made = state["made"]
                self._trail = None if trail is None else self._read_trail(trail)
                return
            except NotPlain:
                if trail is None:
                    raise
        put_start(self.env, trail["start"])
        self._remember = True
        self.reset(seed=trail["seed"], options=Reader().read(trail["options"]))
        for action in Reader().read(trail["actions"]):
            self.step(action)
        if self._trail is None or self._trail.seen != trail["seen"]:
            raise NotPlain("its episode, played again from seed and actions, went another way")

    def _read_trail(self, written: dict[str, Any]) -> Trail:
        trail = Trail(written["seed"], Reader().read(written["options"]), written["start"])
        trail.actions, trail.seen = Reader().read(written["actions"]), written["seen"]
        return trail

    def _follow(self, action: Any, observation: Any, reward: Any, over: bool) -> None:
        trail = self._trail
        assert trail is not None
        if len(trail.actions) <= LONGEST:
            trail.actions.append(action.copy() if isinstance(action, np.ndarray) else action)
            trail.add(observation, reward, over)

    # --- what goes wrong ---------------------------------------------------------------------------------------
    def _watch(self, before: tuple[int, ...]) -> None:
        self._watched += 1
        self._global = self._global or before != _shared()

    def _look(self, observation: Any) -> None:
        fault = misfit(self.env.observation_space, observation)
        if fault:
            raise EnvironmentError(f"{self._where()} gave {fault} at step {self._steps}")

    def _look_aside(self, terminated: Any, truncated: Any, info: Any) -> None:
        for name, value in (("terminated", terminated), ("truncated", truncated)):
            if not isinstance(value, (*BOOLS, int)):
                raise EnvironmentError(f"{self._where()} gave {name} as {value!r} at step {self._steps}, not as a bool")
        if not isinstance(info, dict):
            raise EnvironmentError(f"{self._where()} gave info as {info!r} at step {self._steps}, not as a dict")

    def _where(self) -> str:
        return f"{self._called}: environment {self._index}"

    def _blame(self, call: str, error: Exception) -> EnvironmentError:
        if isinstance(error, EnvironmentError):
            return error
        return EnvironmentError(f"{self._where()} {said(error, call, self._steps)}")


def _shared() -> tuple[int, ...]:
    """What tells whether somebody drew from Python's or numpy's global generator."""
    numpy = np.random.get_state(legacy=False)
    python = random.getstate()[1]
    return int(numpy["state"]["pos"]), int(numpy["state"]["key"][0]), numpy["has_gauss"], python[-1], python[0]


def _shared_state() -> dict[str, Any]:
    return {"python": random.getstate(), "numpy": Writer().write(np.random.get_state(legacy=False))}


def _put_shared(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(Reader().read(state["numpy"]))

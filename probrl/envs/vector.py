"""Environments that step together, with the ends of episodes made the same under every autoreset mode."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from probrl.envs.bounds import Bounds
from probrl.envs.faults import misfit_of_all, said
from probrl.envs.plain import Reader, Writer
from probrl.envs.reading import read_spaces
from probrl.envs.spaces import Spaces
from probrl.envs.state import name_copies, put_state, state_of
from probrl.errors import EnvironmentError
from probrl.nested import each, parts

Array = np.ndarray[Any, Any]
LOOKED_AT = 5  # steps whose rewards and ends are looked at; the shape of what is seen is looked at in every step


class Transition(NamedTuple):
    """What one step of all environments gave; the arrays may be overwritten by the next step.

    Attributes:
        observation: ``(N, ...)``, what the next action will be chosen on.
        reward: ``(N,)``.
        next_observation: ``(N, ...)``, what the action led to: at an end the true last observation, never that of the
            episode which follows.
        terminated: ``(N,)``, whether the episode reached a state without a future.
        truncated: ``(N,)``, whether the episode was cut, its future merely not seen.
        valid: ``(N,)``, whether the action was executed; where it was not, the row holds the last observation of an
            episode and is no step.
        quiet: whether nothing ended and every action was executed, as in nearly all steps.
    """

    observation: Array
    reward: Array
    next_observation: Array
    terminated: Array
    truncated: Array
    valid: Array
    quiet: bool


class EpisodeLog:
    """Returns and lengths of the episodes that ended, and of those under way.

    Args:
        num_envs: how many environments step together.
        window: how many finished episodes are remembered.
    """

    def __init__(self, num_envs: int, window: int = 100) -> None:
        self.returns: deque[float] = deque(maxlen=window)
        self.lengths: deque[int] = deque(maxlen=window)
        self.finished = 0
        self._return = np.zeros(num_envs)
        self._steps = 0
        self._began = np.zeros(num_envs, dtype=np.int64)  # lengths are differences, which cost nothing at each step

    def clear(self) -> None:
        """Forgets the episodes under way; the finished ones stay."""
        self._return[:] = 0
        self._began[:] = self._steps

    def add(self, reward: Array) -> None:
        """Counts one step of all environments."""
        self._return += reward
        self._steps += 1

    def end(self, ended: Array, valid: Array) -> None:
        """After :meth:`add`, where episodes ended with that step, or actions were not executed in it."""
        self._began += ~valid
        over: list[int] = np.flatnonzero(ended).tolist()
        for i in over:
            self.returns.append(float(self._return[i]))
            self.lengths.append(int(self._steps - self._began[i]))
        self.finished += len(over)
        self._return[over] = 0
        self._began[over] = self._steps

    def state(self) -> dict[str, Any]:
        """Plain types, for a checkpoint."""
        known = {
            name: getattr(self, name) for name in ("returns", "lengths", "finished", "_return", "_steps", "_began")
        }
        return {name: Writer().write(value) for name, value in known.items()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on counting where another log stopped."""
        for name, written in state.items():
            setattr(self, name, Reader().read(written))


class Environments:
    """Environments that step together; made by :func:`probrl.envs.make`.

    Args:
        vector: gymnasium's vector environment.
        name: what it is called in messages.

    Attributes:
        spaces: what one environment shows and takes.
        num_envs: how many there are.
        episodes: returns and lengths of what was played.
        resets: how often all of them were started anew.
        steps: how many every one of them has taken, those included that only began an episode.
        started: whether episodes are under way.

    Errors:
        EnvironmentError for spaces that are not supported, an autoreset mode that is not stated, and NaN rewards.
    """

    def __init__(self, vector: VectorEnv, name: str = "environment") -> None:
        self.vector, self.name = vector, name
        self.num_envs = int(vector.num_envs)
        if self.num_envs < 1:
            raise EnvironmentError(f"{name} has {self.num_envs} environments: it needs one at least")
        self.spaces: Spaces = read_spaces(vector.single_observation_space, vector.single_action_space)
        self.mode = _mode(vector, name)
        self.episodes = EpisodeLog(self.num_envs)
        self.resets = 0
        self.steps = 0
        self.started = False
        self._bounds = Bounds(vector.single_observation_space, name)
        name_copies(vector, name)
        # what every step must show; the shapes in a dict are only looked at in the first steps
        shape = self.spaces.observation.shape
        self._shape = None if isinstance(shape, Mapping) else (self.num_envs, *shape)
        self._over, self._any_over = np.zeros(self.num_envs, dtype=bool), False
        self._all_valid = np.ones(self.num_envs, dtype=bool)
        self._executable = self.spaces.action.executable

    def reset(self, seed: int | None = None) -> Array:
        """Starts every environment anew; the first observations, ``(N, ...)``."""
        try:
            observation, _ = self.vector.reset(seed=seed)
        except Exception as error:
            raise self._blamed(error, "reset") from error
        self._over, self._any_over = np.zeros(self.num_envs, dtype=bool), False
        self.episodes.clear()
        self.resets += 1
        self.started = True
        self._bounds.look(each(lambda rows: rows[:, None], self._checked(observation)), self.steps, reset=True)
        return observation

    def step(self, action: Array) -> Transition:
        """Executes one action per environment; what is outside a box is clipped into it.

        Args:
            action: ``(N,)`` whole numbers from 0, or ``(N, dim)`` reals.
        """
        try:
            observation, reward, terminated, truncated, info = self.vector.step(self._executable(action))
        except Exception as error:
            raise self._blamed(error, "step") from error
        if self.steps < LOOKED_AT or (self._shape is not None and observation.shape != self._shape):
            self._look(observation, reward=reward, terminated=terminated, truncated=truncated)
        self.steps += 1
        self.episodes.add(reward)
        ended = terminated | truncated
        ends = bool(np.count_nonzero(ended))  # a tenth of the time of ended.any(), at every step
        if not (ends or self._any_over):
            return Transition(observation, reward, observation, terminated, truncated, self._all_valid, True)
        next_observation, valid = observation, self._all_valid
        if self.mode is AutoresetMode.NEXT_STEP:
            if self._any_over:
                valid = ~self._over
                self._refuse_empty(self._over & ended)
            self._over, self._any_over = ended, ends
        else:
            next_observation, observation = self._same_step(observation, ended, info)
        self.episodes.end(ended, valid)
        return Transition(observation, reward, next_observation, terminated, truncated, valid, False)

    def check(self, observations: Any, step: int) -> None:
        """Looks at all observations of a rollout at once.

        Args:
            observations: ``(N, T, ...)``, arrays or tensors, or nested dicts of them.
            step: the number of the first step, for the message; what its action was chosen on came with the one before.

        Errors:
            EnvironmentError for one outside its declared space: by more than its width in the first rollout, by more
            than ten times the width later.
        """
        self._bounds.look(observations, step)
        self._bounds.strict = False

    def state(self) -> dict[str, Any]:
        """Where every environment stands, in plain types and tensors that ``torch.load(weights_only=True)`` reads.

        Returns:
            ``"kind"`` is "exact"; "replay" if episodes under way will be played again from their start; "none" if
            they cannot go on, and then ``"reason"`` says why. The rest is for :meth:`set_state`.
        """
        return state_of(self)

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on where :meth:`state` was asked, bit for bit, in environments that were made alike.

        Errors:
            EnvironmentError saying why they cannot go on; then the next thing to call is :meth:`reset`.
        """
        put_state(self, state)

    def close(self) -> None:
        """Frees what the environments hold, and ends their processes; a second time nothing happens."""
        self.vector.close()

    def _same_step(self, observation: Array, ended: Array, info: dict[str, Any]) -> tuple[Array, Array]:
        # the observation after the action, and the one that the next action is chosen on
        if self.mode is AutoresetMode.DISABLED:
            last = each(np.array, observation)
            observation, _ = self.vector.reset(options={"reset_mask": ended.copy()})
            return last, observation
        if not isinstance(info, Mapping):
            raise EnvironmentError(
                f"{self.name} gives its infos as a {type(info).__name__}, in which the last observations of episodes cannot be "
                "found: leave gymnasium.wrappers.vector.DictInfoToList out"
            )
        final = info.get("final_obs", info.get("final_observation"))
        if final is None:
            raise EnvironmentError(f"{self.name} resets in the same step but gives no 'final_obs' in its infos")
        last = each(np.array, observation)
        for i in np.flatnonzero(ended):
            each(lambda rows, row, i=i: rows.__setitem__(i, row), last, final[i])
        return last, observation

    def _look(self, observation: Any, **given: Any) -> None:
        fault = misfit_of_all(self.num_envs, **given)
        if fault:
            raise EnvironmentError(f"{self.name} {fault}, at step {self.steps}")
        self._checked(observation)

    def _blamed(self, error: Exception, call: str) -> EnvironmentError:
        return (
            error
            if isinstance(error, EnvironmentError)
            else EnvironmentError(f"{self.name} {said(error, call, self.steps)}")
        )

    def _refuse_empty(self, empty: Array) -> None:
        if np.count_nonzero(empty):
            raise EnvironmentError(
                f"{self.name}: environment {int(empty.argmax())} ended an episode of no step at step {self.steps - 1}"
            )

    def _checked(self, observation: Any) -> Any:
        declared = dict(parts(self.spaces.observation.shape))
        given = dict(parts(observation)) if isinstance(observation, Mapping) else {"": observation}
        for name, shape in declared.items():
            array = given.get(name)
            if getattr(array, "shape", None) != (self.num_envs, *shape):
                got = getattr(array, "shape", type(observation if array is None else array).__name__)
                what = f"its observations' {name!r}" if name else "observations"
                raise EnvironmentError(f"{self.name} declares {what} of shape {shape} but gave, in all, {got}")
        return observation


def _mode(vector: VectorEnv, name: str) -> AutoresetMode:
    mode = vector.metadata.get("autoreset_mode")
    try:
        return AutoresetMode(mode)
    except ValueError:
        raise EnvironmentError(
            f"{name} does not say when it resets: set metadata['autoreset_mode'] to a gymnasium.vector.AutoresetMode"
        ) from None

"""Copies that step at the same time, each in a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.vector.async_vector_env import AsyncState

from probrl.errors import EnvironmentError


class ParallelEnv(AsyncVectorEnv):
    """Gymnasium's vector environment of processes, with errors that say where they come from.

    Processes are forked where the system can: what makes a copy need not be pickled then, and a script needs no guard
    around its main part.

    Args:
        makers: each makes one copy, in the process that plays it.
        name: what the environments are called.

    Errors:
        EnvironmentError for a copy that cannot be sent to another process, that raises, or whose process ended.
    """

    def __init__(self, makers: Sequence[Callable[[], gymnasium.Env]], name: str) -> None:
        self._called = name
        context = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads, which only wait here
                super().__init__(makers, copy=False, context=context, autoreset_mode=AutoresetMode.SAME_STEP)
        except EnvironmentError:
            self._end()
            raise
        except Exception as error:
            self._end()
            text = " ".join(str(error).split()) or "a process ended while it made its copy"
            if "pickle" in text.lower():
                text = f"it cannot be sent to another process ({text}): write vectorization='sync'"
            raise EnvironmentError(f"{name} cannot be made in processes of its own: {text}") from error

    def reset_wait(self, timeout: float | None = None) -> Any:
        """Waits for the first observations."""
        with self._naming_the_lost("reset"):
            return super().reset_wait(timeout)

    def step_async(self, actions: Any) -> None:
        """Sends the actions."""
        with self._naming_the_lost("step"):
            super().step_async(actions)

    def step_wait(self, timeout: float | None = None) -> Any:
        """Waits for what the actions led to."""
        with self._naming_the_lost("step"):
            return super().step_wait(timeout)

    @contextlib.contextmanager
    def _naming_the_lost(self, call: str) -> Any:
        try:
            yield
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            for process in self.processes:
                process.join(0.1)
            lost = [i for i, process in enumerate(self.processes) if not process.is_alive()]
            which = f"environment {lost[0]}" if lost else "an environment"
            code = f" (exit code {self.processes[lost[0]].exitcode})" if lost else ""
            self._end()
            raise EnvironmentError(f"{self._called}: the process of {which} ended in {call}(){code}") from error

    def _raise_if_errors(self, successes: Iterable[bool]) -> None:
        failed = [i for i, fine in enumerate(successes) if not fine]
        if not failed:
            return
        errors = sorted((self.error_queue.get() for _ in failed), key=lambda found: found[0])
        for index, *_ in errors:
            self.parent_pipes[index].close()
            self.parent_pipes[index] = None  # type: ignore[call-overload]
        self._state = AsyncState.DEFAULT
        index, kind, value, _ = errors[0]
        if issubclass(kind, EnvironmentError):
            raise EnvironmentError(str(value))
        raise EnvironmentError(
            f"{self._called}: environment {index} raised {kind.__name__}: {' '.join(str(value).split())}"
        )

    def _end(self) -> None:
        for process in getattr(self, "processes", []):
            if process.pid is not None:  # it was started
                process.terminate()
                process.join()
        for pipe in getattr(self, "parent_pipes", []):
            if pipe is not None:
                pipe.close()
        self.closed = True

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        """Ends the processes: by asking them, or by force where one does not listen or a step was interrupted."""
        if terminate or self._state is not AsyncState.DEFAULT:
            self._end()
            return
        try:
            super().close_extras(timeout=timeout)
        except (EOFError, OSError):
            self._end()

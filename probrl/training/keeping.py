"""A run folder while its agent learns: nobody else writes there, and there is always a checkpoint to go on from."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from probrl.training import checkpoint, storage
from probrl.training.lock import FolderLock

if TYPE_CHECKING:
    from probrl.training.agent import Agent


class Keeping:
    """Holds the run folder of an agent while it learns, as a context; an agent without one is left alone.

    A checkpoint is written at the start, so that a process killed before the first interval is over loses nothing
    but time, and one at the end, unless the learning ended with an error: what is in memory then may be half done,
    and the last good checkpoint stands.

    Args:
        agent: who learns.

    Errors:
        CheckpointError if another process learns in the folder, or another agent has gone on from it.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._lock: FolderLock | None = None

    def __enter__(self) -> Keeping:
        agent = self.agent
        if agent.folder is None:
            return self
        self._lock = FolderLock(agent.folder)
        self._lock.take()
        try:
            checkpoint.refuse_others(agent, agent.folder)
            storage.remove_leftovers(agent.folder)
            agent.metrics.keep_in(agent.folder)
            checkpoint.write(agent, agent.folder)
        except BaseException:
            self._lock.release()
            raise
        agent.learning = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        agent = self.agent
        if self._lock is None or agent.folder is None:
            return
        agent.learning = False
        try:
            if kind is None:
                checkpoint.write(agent, agent.folder)
        finally:
            self._lock.release()

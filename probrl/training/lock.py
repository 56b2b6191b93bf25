"""One run, one folder: a lock that is free again the moment its process is gone, however it went."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from probrl.errors import CheckpointError

try:
    import fcntl
except ImportError:  # a system without such locks: there, nobody is kept from running twice
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_held: set[Path] = set()  # the system's lock keeps other processes out, this one the other agents of the same process


class FolderLock:
    """Keeps everyone else from writing to a run folder, as a context or from :meth:`take` to :meth:`release`.

    The file holds the number of the process that has it. The lock itself belongs to the operating system, which takes
    it back when the process ends, so that a file left behind by a killed process keeps nobody out.

    Args:
        folder: which must exist.

    Errors:
        CheckpointError naming the process that learns there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._key = folder, folder.resolve()
        self._handle: int | None = None

    def take(self) -> None:
        """Takes the lock, or says who has it."""
        if self._key in _held:
            raise CheckpointError(
                f"another agent of this program is learning in {str(self.folder)!r}: give each its own run folder"
            )
        try:
            handle = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise CheckpointError(f"{str(self.folder)!r} cannot be written: {error.strerror or error}") from error
        try:
            self._take_over(handle)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        _held.add(self._key)

    def release(self) -> None:
        """Frees the lock; the file stays, for removing it could take another process's."""
        if self._handle is not None:
            _held.discard(self._key)
            os.close(self._handle)
            self._handle = None

    def _take_over(self, handle: int) -> None:
        if fcntl is not None:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError) as error:
                owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
                raise CheckpointError(
                    f"another process (number {owner}) is learning in {str(self.folder)!r}: "
                    "wait until it ends, or name another run folder"
                ) from error
            except OSError:
                pass  # a file system without locks
        try:
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        except OSError as error:
            raise CheckpointError(f"{str(self.folder)!r} cannot be written: {error.strerror or error}") from error

    def __enter__(self) -> FolderLock:
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def refuse_taken(folder: Path) -> None:
    """Refuses to write to a folder in which somebody learns.

    Errors:
        CheckpointError naming the process that does.
    """
    if (folder / LOCK).exists():
        FolderLock(folder).__enter__().release()

"""A folder that explains a run: configuration, versions, equations and metrics."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import platform
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from probrl.errors import CheckpointError, DataError
from probrl.training.guide import guide

EXPLANATIONS = (
    "config.json", "README.md", "equations.tex", "equations.txt", "equations.png", "metrics.jsonl", "metrics.csv",
    "learning_curve.png", "tensorboard", "best", "samples.png", "trajectories.png", "density.png", "flow.gif",
)  # fmt: skip
TEMPORARY = r"\w+\.new"  # how the names of files that are not whole yet end, as a pattern


def write_atomic(path: Path, content: bytes | str) -> None:
    """Writes a whole file or nothing: a temporary beside it takes its place in one step."""
    data = content.encode() if isinstance(content, str) else content
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    except OSError as error:
        error.filename = str(path)  # nobody asked for the temporary
        raise
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say of what
        raise


def versions() -> dict[str, str]:
    """What this runs on: Python and the packages that decide the numbers."""
    packages = ("probrl", "torch", "numpy", "gymnasium", "pixyz", "sympy")
    return {"python": platform.python_version(), **{package: _version(package) for package in packages}}


@cache  # three milliseconds each, and every checkpoint says them
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def new_folder(path: str | Path) -> Path:
    """Makes the folder of a run.

    Errors:
        DataError if it exists and holds something, or cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        refuse_used(folder)
    except OSError as error:
        raise DataError(f"the run folder {str(path)!r} cannot be made: {error.strerror or error}") from error
    return folder


def refuse_used(folder: Path) -> None:
    """Refuses a folder that holds something that is not hidden.

    Errors:
        DataError saying what to do.
    """
    names = {file.name for file in folder.iterdir() if file.name != ".lock"}
    if "manifest.json" in names:
        raise DataError(
            f"the run folder {str(folder)!r} exists and is not empty: go on with it by `probrl resume`, or name another one"
        )
    if names:
        raise DataError(f"the run folder {str(folder)!r} exists and is not empty: name another one, or remove it")


def json_number(value: Any) -> str:
    """A value as JSON: NaN is null, and infinity a number that is read as such.

    Example:
        >>> json_number(2.5), json_number(float("nan")), json_number(float("-inf"))
        ('2.5', 'null', '-1e999')
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "null" if math.isnan(value) else "1e999" if value > 0 else "-1e999"
    return json.dumps(value)


class Metrics:
    """Rows of numbers by name: kept in memory and, with a folder, appended to ``metrics.jsonl`` and ``metrics.csv``.

    Args:
        folder: where the two files go; None keeps the rows in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.rows: list[dict[str, float]] = []
        self._folder: Path | None = None
        self._columns: list[str] = []
        if folder is not None:
            self.keep_in(folder)

    def keep_in(self, folder: Path) -> None:
        """Writes the rows so far into a folder, and the later ones as they come."""
        self._folder = folder
        write_atomic(folder / "metrics.jsonl", "".join(_json_row(row) for row in self.rows))
        self._rewrite_csv(folder)

    def settle(self) -> None:
        """Waits until the rows are on the disk: a checkpoint that counts them may only come after them.

        Errors:
            CheckpointError if the folder cannot be written, as on a full disk.
        """
        if self._folder is None:
            return
        try:
            with open(self._folder / "metrics.jsonl", "ab") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise CheckpointError(f"{str(self._folder)!r} cannot be written: {error.strerror or error}") from error

    def write_to(self, folder: Path) -> None:
        """Writes the rows so far into a folder, once."""
        if folder != self._folder:
            write_atomic(folder / "metrics.jsonl", "".join(_json_row(row) for row in self.rows))
            write_atomic(folder / "metrics.csv", self._table())

    def add(self, row: dict[str, float]) -> None:
        """One more row; numbers of torch and numpy become Python's.

        Errors:
            DataError naming a metric that is no number; DataError if the folder cannot be written, as on a full disk.
        """
        for name, value in row.items():
            row[name] = _number(name, value)
        self.rows.append(row)
        if self._folder is None:
            return
        try:
            self._append(self._folder, row)
        except OSError as error:
            where = error.filename or self._folder / "metrics.jsonl"
            raise DataError(f"{str(where)!r} cannot be written: {error.strerror or error}") from error

    def _append(self, folder: Path, row: dict[str, float]) -> None:
        with open(folder / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(_json_row(row))
        if any(name not in self._columns for name in row):
            self._rewrite_csv(folder)  # a metric that appears later gets a column of its own
            return
        with open(folder / "metrics.csv", "a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow([row.get(name, "") for name in self._columns])

    def _rewrite_csv(self, folder: Path) -> None:
        self._columns = list(dict.fromkeys(name for row in self.rows for name in row))
        write_atomic(folder / "metrics.csv", self._table())

    def _table(self) -> str:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        if not columns:
            return ""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        writer.writerows([row.get(name, "") for name in columns] for row in self.rows)
        return text.getvalue()


def _number(name: str, value: Any) -> float:
    if isinstance(value, (int, float)):
        return value
    try:
        if not isinstance(value, (str, bytes)):
            return float(value)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise DataError(f"a metric is one number, and {name!r} is {' '.join(repr(value).split())[:60]}")


def _json_row(row: dict[str, float]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {json_number(value)}" for name, value in row.items()) + "}\n"


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows that a run wrote, up to a line that was cut off or damaged."""
    rows: list[dict[str, float]] = []
    file = folder / "metrics.jsonl"
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            break
        if not isinstance(row, dict):
            break
        rows.append({name: math.nan if value is None else value for name, value in row.items()})
    return rows


def explain(folder: Path, config: dict[str, Any], latex: str, text: str) -> None:
    """Writes what is run: ``README.md``, ``config.json``, ``equations.tex`` and ``equations.txt``."""
    write_atomic(folder / "README.md", guide(folder, config, latex))
    write_atomic(folder / "config.json", json.dumps(config, indent=2, default=str) + "\n")
    write_atomic(folder / "equations.tex", latex + "\n")
    write_atomic(folder / "equations.txt", text + "\n")

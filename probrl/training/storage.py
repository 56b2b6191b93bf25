"""Checkpoints as files: weights in safetensors, the rest where torch reads it without running code, one manifest.

A folder is replaced in one step: new files get names of their own, then the manifest that names them takes the old
one's place, then what it no longer names is removed. Whoever is killed in between leaves the old state or the new one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from probrl.errors import CheckpointError
from probrl.training.run import EXPLANATIONS, TEMPORARY, write_atomic

KIND, VERSION, MANIFEST = "probrl agent", 1, "manifest.json"
PART = re.compile(r"(weights-[0-9a-f]{12}\.safetensors|state-[0-9a-f]{12}\.pt)")
LEFTOVER = re.compile(rf"\..+\.{TEMPORARY}")


def write(
    folder: Path,
    manifest: dict[str, Any],
    weights: dict[str, torch.Tensor],
    state: dict[str, Any],
    ours: bool = False,
    replace: bool = False,
) -> dict[str, str]:
    """Writes or replaces the checkpoint of a folder.

    Args:
        folder: is made if it does not exist.
        manifest: plain types; what says that the files belong to it is added here.
        weights: tensors by name.
        state: tensors, numbers, texts, lists and dicts: what else is needed to go on.
        ours: whether the folder is known to be this run's, whatever else lies in it.
        replace: whether a checkpoint of another algorithm, environment or data set may be replaced.

    Returns:
        The files that the manifest names, see :func:`named`.

    Errors:
        CheckpointError if the folder holds something that is no checkpoint of this package, or cannot be written.
    """
    from safetensors.torch import save

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{str(folder)!r} cannot be made: {error.strerror or error}") from error
    old = _replaceable(folder, manifest, ours, replace)
    # names that share memory would be refused, so each gets a copy of its own
    tensors = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()})
    buffer = io.BytesIO()
    torch.save(state, buffer)
    files: dict[str, dict[str, str]] = {}
    try:
        for role, suffix, data in (("weights", "safetensors", tensors), ("state", "pt", buffer.getvalue())):
            digest = hashlib.sha256(data).hexdigest()
            name = f"{role}-{digest[:12]}.{suffix}"
            files[role] = {"file": name, "sha256": digest}
            write_atomic(folder / name, data)
        whole = {"kind": KIND, "version": VERSION, **manifest, "files": files}
        write_atomic(folder / MANIFEST, json.dumps(whole, indent=2) + "\n")
    except OSError as error:
        for name in {entry["file"] for entry in files.values()} - old:
            (folder / name).unlink(missing_ok=True)  # a full disk has no room for half a checkpoint
        raise CheckpointError(f"{str(folder)!r} cannot be written: {error.strerror or error}") from error
    _settle(folder)
    for name in old - {entry["file"] for entry in files.values()}:
        (folder / name).unlink(missing_ok=True)
    return {role: entry["file"] for role, entry in files.items()}


def _settle(folder: Path) -> None:
    """Asks the system to have the names of a folder's files on the disk before older ones are removed."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # a system where folders cannot be opened
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def named(folder: Path) -> dict[str, str] | None:
    """The files of the checkpoint in a folder by role, or None if it holds none.

    Their names come from their content, so other names are another checkpoint.
    """
    if not (folder / MANIFEST).exists():
        return None
    return {role: Path(entry["file"]).name for role, entry in read_manifest(folder).get("files", {}).items()}


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed process left behind: files half written, and those that no manifest names."""
    known = set((named(folder) or {}).values())
    for file in folder.iterdir():
        half_written = LEFTOVER.fullmatch(file.name)
        if half_written or (PART.fullmatch(file.name) and file.name not in known):
            file.unlink(missing_ok=True)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a folder says of its checkpoint.

    Errors:
        CheckpointError if there is none, it is not this package's, damaged, or of another format version.
    """
    file = folder / MANIFEST
    if not folder.exists():
        raise CheckpointError(f"there is no run at {str(folder)!r}")
    if not file.is_file():
        raise CheckpointError(
            f"{str(folder)!r} holds no {MANIFEST}: it is no run of this package, or saved nothing yet"
        )
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{str(file)!r} is damaged: it is not JSON") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise CheckpointError(f"{str(file)!r} was not written by this package")
    if manifest.get("version") != VERSION:
        raise CheckpointError(
            f"{str(file)!r} has format version {manifest.get('version')!r}, this release reads {VERSION}: "
            "load it with the release that wrote it"
        )
    return manifest


def newest(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor], dict[str, Any]]:
    """Manifest, weights and state of a folder, also while another process writes new ones there.

    Errors:
        CheckpointError as :func:`read_manifest` and :func:`read` say.
    """
    while True:
        manifest = read_manifest(folder)
        try:
            return manifest, *read(folder, manifest)
        except CheckpointError:
            if read_manifest(folder) == manifest:  # else it was replaced while it was read
                raise


def read(folder: Path, manifest: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The weights and the state that a manifest names.

    Errors:
        CheckpointError if a file is missing, cut off or not the one that was written, and for one that holds anything else
        than tensors and plain types, of which nothing is run.
    """
    from safetensors.torch import load

    readers: dict[str, Callable[[bytes], Any]] = {
        "weights": load,
        "state": lambda content: torch.load(io.BytesIO(content), weights_only=True, map_location="cpu"),
    }
    found = []
    for role, reader in readers.items():
        content = _content(folder, manifest, role)
        try:
            found.append(reader(content))
        except Exception as error:
            file = folder / Path(manifest["files"][role]["file"]).name
            raise CheckpointError(f"{str(file)!r} holds no {role} that this package wrote") from error
    return found[0], found[1]


def _content(folder: Path, manifest: dict[str, Any], role: str) -> bytes:
    try:
        entry = manifest["files"][role]
        file, digest = folder / Path(entry["file"]).name, entry["sha256"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{str(folder / MANIFEST)!r} is damaged: it does not name its {role}") from error
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{str(file)!r} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise CheckpointError(f"{str(file)!r} is cut off or changed: its checksum is not the manifest's")
    return content


def _replaceable(folder: Path, manifest: dict[str, Any], ours: bool, replace: bool) -> set[str]:
    """The files that an earlier checkpoint of this folder named; refuses a folder that is someone else's."""
    if (folder / MANIFEST).exists():
        try:
            older = read_manifest(folder)
        except CheckpointError as error:
            raise CheckpointError(f"nothing was written: {error}") from error
        other = None if ours or replace else _other(older, manifest)
        if other:
            raise CheckpointError(
                f"nothing was written: {str(folder)!r} {other}: name another folder, or let it be replaced, "
                "as in save(path, replace=True)"
            )
        return {Path(entry["file"]).name for entry in older.get("files", {}).values()}
    if ours:
        return set()
    foreign = sorted(f.name for f in folder.iterdir() if f.name not in EXPLANATIONS and not f.name.startswith("."))
    if foreign:
        raise CheckpointError(f"nothing was written: {str(folder)!r} holds {foreign[0]!r} and no run of this package")
    return set()


def _other(older: dict[str, Any], new: dict[str, Any]) -> str | None:
    """How an older checkpoint is of something else than a new one, in words, or None; what has no name is no other."""
    was, now = ((m.get("algorithm") or {}).get("name") for m in (older, new))
    if was != now:
        return f"holds a run of {was!r}, not of {now!r}"
    was, now = ((m.get("generative") or {}).get("data_digest") for m in (older, new))
    if was != now:
        return f"holds a run on other data ({older.get('env')!r})"
    was, now = (m.get("env") for m in (older, new))
    if was != now and None not in (was, now) and "generative" not in new:
        return f"holds a run in {was!r}, not in {now!r}"
    if older.get("spaces") != new.get("spaces"):
        return "holds a run in an environment with other spaces"
    return None

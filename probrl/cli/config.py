"""Files that hold flags: TOML and JSON, and the ``config.json`` of a run, which makes the same run again."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from probrl.cli.arguments import UsageError, nearest_word

TABLES = ("settings", "hyper_parameters")  # flags may stand in tables of these names, or of the algorithm's


def read_config(path: str, algorithm: str, known: Iterable[str]) -> dict[str, Any]:
    """The flags that a file sets, by name with underscores.

    Args:
        path: a file that ends in ``.toml`` or ``.json``.
        algorithm: which algorithm they are for.
        known: the names that it may set.

    Errors:
        UsageError for a file that cannot be read, a key that is unknown (with the nearest one) or set twice, and a file
        that is for another algorithm.
    """
    content = _content(path)
    if "digest" in content and "hyper_parameters" in content:
        content = _of_a_run(path, content, set(known))
    of = content.get("algorithm", algorithm)  # before its keys, which another algorithm may not have
    if isinstance(of, str) and of != algorithm:
        raise UsageError(f"{path} is for {of!r}, not for {algorithm!r}")
    found: dict[str, Any] = {}
    names = {*known, "algorithm"}
    for key, value in _flat(content, algorithm):
        name = key.replace("-", "_")
        try:
            nearest_word("flag", name, names)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
        if name in found:
            raise UsageError(f"{path}: {name!r} is set twice")
        found[name] = value
    said = found.pop("algorithm", algorithm)
    if said != algorithm:
        raise UsageError(f"{path} is for {said!r}, not for {algorithm!r}")
    return found


def words_of(config: Mapping[str, Any], kinds: Mapping[str, Any], path: str) -> list[str]:
    """The flags of a file as words of a command line.

    Args:
        config: what :func:`read_config` gave.
        kinds: the type of every flag.
        path: the file, for messages.

    Errors:
        UsageError for text where a number is wanted, and for values that no flag takes.
    """
    words: list[str] = []
    for name, value in config.items():
        flag, kind = "--" + name.replace("_", "-"), kinds[name]
        texts = kind is str or any(part is str or isinstance(part, str) for part in get_args(kind))
        no_switch = kind is bool and not isinstance(value, bool)
        if isinstance(value, Mapping) or (isinstance(value, str) and not texts) or no_switch:
            raise UsageError(f"{path}: {name} cannot be {value!r}")
        if kind is bool and isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, list):
            words += [flag, *map(str, value)]
        else:
            words += [flag, str(value)]
    return words


def _content(path: str) -> dict[str, Any]:
    readers = {".toml": tomllib.loads, ".json": json.loads}
    reader = readers.get(Path(path).suffix.lower())
    if reader is None:
        raise UsageError(f"{path}: a file of flags ends in .toml or .json")
    try:
        content = reader(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no flags: write a table of them")
    return content


def _flat(content: dict[str, Any], algorithm: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in content.items():
        pairs += value.items() if key in (*TABLES, algorithm) and isinstance(value, dict) else [(key, value)]
    return pairs


def _of_a_run(path: str, content: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """What a run folder says of itself, as flags that make such a run again."""
    try:
        name = content["algorithm"]["name"]
        settings = {key: value for key, value in content["settings"].items() if value not in (None, [], {})}
        own = [*content.get("parts", ()), *(key for key, value in settings.items() if isinstance(value, (dict, list)))]
        said = {key: value for key, value in settings.items() if key in known}
        flags = {"algorithm": name, "env_id": content["env"], **said, **content["hyper_parameters"]}
    except (KeyError, TypeError, AttributeError):
        raise UsageError(f"{path} is damaged: it does not say what its run was") from None
    if own:
        raise UsageError(f"{path}: that run had {', '.join(own)} of its own, which only Python can hand over again")
    manifest = Path(path).with_name("manifest.json")
    goal = _content(str(manifest)).get("goal") if manifest.exists() else None
    return {**flags, **({} if goal is None or "total_timesteps" not in known else {"total_timesteps": goal})}

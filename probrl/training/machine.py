"""What decides the last bit of a run besides its program: processor, threads, versions, backend."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch

from probrl.training.run import versions


def machine(device: str) -> dict[str, str]:
    """What computes, as far as it decides the last bit.

    Args:
        device: as torch names it.
    """
    found = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instructions": str(torch.backends.cpu.get_cpu_capability()),
    }
    if torch.device(device).type == "cuda":
        found["accelerator"] = torch.cuda.get_device_name(device)
    return found


@cache
def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is another one than it was, where that may change the last bit: one short text each.

    Args:
        then: what a manifest says: ``machine``, ``versions``, ``threads``, ``device``, ``backend``.
        now: the same of today.

    Example:
        >>> differences({"threads": 1, "versions": {"torch": "2.12"}}, {"threads": 2, "versions": {"torch": "2.13"}})
        ['torch 2.12 -> 2.13', 'threads 1 -> 2']
    """
    pairs = []
    for group in ("machine", "versions"):
        was, new = (said if isinstance(said, dict) else {} for said in (then.get(group), now.get(group)))
        pairs += [(name, was.get(name), new.get(name)) for name in dict.fromkeys([*was, *new])]
    pairs += [(name, then.get(name), now.get(name)) for name in ("device", "threads", "backend")]
    return [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]


def surroundings(device: str, threads: int, backend: str | None) -> dict[str, Any]:
    """What a manifest says of where a run is: everything that :func:`differences` compares."""
    return {
        "machine": machine(device),
        "versions": versions(),
        "device": device,
        "threads": threads,
        "backend": backend,
    }

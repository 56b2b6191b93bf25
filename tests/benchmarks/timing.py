"""Interleaved medians: every contestant takes its turn in every round, so that a busy machine slows all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Contestant(NamedTuple):
    """What is timed: one call, and how many updates it makes."""

    call: Callable[[], object]
    updates: int = 1


def medians(
    contestants: Mapping[str, Contestant],
    rounds: int = 60,
    seconds: float = 0.01,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of one update of each contestant, over rounds in which each runs for about `seconds`."""
    repeats = {}
    for name, (call, _) in contestants.items():
        for _ in range(3):
            call()  # compiles, fills caches
        start = clock()
        call()
        repeats[name] = max(1, round(seconds / (clock() - start)))
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, (call, updates) in contestants.items():
            start = clock()
            for _ in range(repeats[name]):
                call()
            samples[name].append((clock() - start) / (repeats[name] * updates))
    return {name: statistics.median(values) for name, values in samples.items()}


def table(title: str, results: Mapping[str, float], reference: str) -> str:
    """The medians in microseconds, and how many times faster than the reference each one is."""
    width = max(map(len, results))
    rows = [title, f"{'':{width}}  us/update  times faster than {reference!r}"]
    rows += [
        f"{name:{width}}  {value * 1e6:9.0f}  {results[reference] / value:6.2f}" for name, value in results.items()
    ]
    return "\n".join(rows)

"""Deep formulas: an unrolled solver is a tree of thousands of levels, and readings walk it by recursion."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

LEVELS = 50_000


@contextmanager
def deep() -> Iterator[None]:
    """Lets a reading go as deep as formulas are; Python's own limit is for programs that have gone astray."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, LEVELS))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)

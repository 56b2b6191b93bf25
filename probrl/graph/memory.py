"""Memory of the host: what one step frees is there for the next."""

from __future__ import annotations

from functools import cache

import torch

BLOCK = 31 << 20  # the largest that the C library learns from is 32 MB


@cache
def keep_what_is_freed() -> None:
    """Lets the C library keep up to 62 MB at the end of its heap, once per process.

    It gives them back from twice the largest block on that it saw come and go, at first 256 kB. Hundreds of pages per step
    are then asked for anew, and filled with zeros by the system. One block that comes and goes untouched costs
    microseconds; a C library without such a rule does nothing else. Source: mallopt(3), on the dynamic mmap threshold.
    """
    torch.empty(BLOCK, dtype=torch.uint8, device="cpu")

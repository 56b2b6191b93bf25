"""Networks that are asked and do not learn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def at_rest(*modules: nn.Module) -> Iterator[None]:
    """Lets networks be as they are when they do not learn: no dropout, and no statistics of what they are asked."""
    modes = [(m, m.training) for module in modules for m in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for m, mode in modes:
            m.training = mode

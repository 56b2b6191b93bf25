"""Algorithms as declarations: hyper-parameters, formulas, the order of updates. One file each."""

import pkgutil

from probrl.algorithms._declaration import Declaration

__all__ = ["Declaration", "names"]


def names() -> list[str]:
    """What the algorithms are called in the shell and on disk: one name per file of this package."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))

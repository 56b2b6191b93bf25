"""Algorithms as declarations: hyper-parameters, formulas, the order of updates. One file each."""

from probrl.algorithms._declaration import Declaration

__all__ = ["Declaration"]

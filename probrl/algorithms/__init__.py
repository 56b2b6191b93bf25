"""Algorithms as declarations: hyper-parameters, formulas, the order of updates. One file each."""

"""Sequences of updates, printed and compiled as one."""

from probrl.program import meanings, page, readings  # noqa: F401 - they fill the readings of programs
from probrl.program.moves import Assign, Polyak, Snapshot
from probrl.program.program import Program
from probrl.program.repeats import Every, Fit
from probrl.program.steps import Maximize, Minimize, Prepare, Report, Together
from probrl.program.update import Update

__all__ = [
    "Assign",
    "Every",
    "Fit",
    "Maximize",
    "Minimize",
    "Polyak",
    "Prepare",
    "Program",
    "Report",
    "Snapshot",
    "Together",
    "Update",
]

"""What every test may use: quiet threads, and the judges of printed formulas."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: several test processes share the cores
os.environ.setdefault("MPLBACKEND", "agg")

import pytest

from tests import formulas

# What a shell starts in the background ignores ctrl-C, and so do all its children; here it is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

Judge = Callable[[Sequence[str]], list[str]]


@pytest.fixture(scope="session")
def katex_errors() -> Judge:
    """`katex_errors(formulas)`: the formulas that KaTeX refuses; skips, and says so, on a machine without it."""
    if reason := formulas.missing_katex():
        pytest.skip(reason)
    return formulas.katex_errors


@pytest.fixture(scope="session")
def mathtext_errors() -> Judge:
    """`mathtext_errors(rows)`: the rows that matplotlib's mathtext cannot parse."""
    return formulas.mathtext_errors


@pytest.fixture(scope="session")
def foreign_commands() -> Callable[[str], list[str]]:
    """`foreign_commands(latex)`: what plain LaTeX with amsmath and amssymb would not take."""
    return formulas.foreign_commands

"""The live line: shown to whom asks for it or has a terminal, silent otherwise, and within the width of the terminal."""

import io
import sys

from probrl.training.progress import BAR, ProgressBar

ROW = {"timesteps": 5, "episode_return": 12.0, "episode_length": float("nan"), "policy": 0.5, "value": 1234.5}


def test_it_is_silent_when_nobody_looks(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with ProgressBar(10) as bar:
        bar.update(5, ROW)
    assert sys.stderr.getvalue() == ""


def test_it_fits_into_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgressBar(10) as bar:
        bar.update(5, ROW | {f"term_{i}": 1.0 for i in range(20)})
    shown = screen.getvalue()
    assert "50%" in shown and "return 12" in shown and "value 1.23e+03" in shown
    assert "…" not in shown and "length" not in shown and BAR < 80

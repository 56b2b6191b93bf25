"""The live table: shown to whom asks for it or has a terminal, silent otherwise, and within the width of the terminal."""

import io
import re
import sys

import pytest

from probrl.training.progress import ProgressBar

ROW = {"timesteps": 5, "episode_return": 12.0, "episode_length": float("nan"), "policy": 0.5, "value": 1234.5}
MANY = ROW | {"steps_per_second": 3000.0, "explained_variance": 0.25} | {f"term_{i}": 1.0 for i in range(20)}


def terminal(monkeypatch, width):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    found = io.StringIO()
    found.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", found)
    return found


def shown(screen):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())


def test_it_is_silent_when_nobody_looks(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with ProgressBar(10) as bar:
        bar.update(5, ROW)
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_into_the_terminal_and_shows_every_term(monkeypatch, width):
    screen = terminal(monkeypatch, width)
    with ProgressBar(10) as bar:
        bar.update(5, MANY)
    text = shown(screen)
    assert all(len(line) <= width for line in text.replace("\r", "\n").splitlines())
    found = " ".join(text.split())
    assert "return 12.0" in found and "value 1.23e+03" in found and "length" not in found
    assert all(f"term {i} 1" in found for i in range(20)) and (width == 40 or ("50%" in found and "3,000/s" in found))


def test_an_evaluation_stays_until_the_next_one(monkeypatch):
    screen = terminal(monkeypatch, 80)
    with ProgressBar(10) as bar:
        bar.update(5, {**ROW, "eval_return": 321.0})
        bar.update(6, ROW)
    assert "evaluation 321.0" in " ".join(shown(screen).split())


def test_what_others_print_is_not_lost(monkeypatch, capsys):
    screen = terminal(monkeypatch, 80)
    with ProgressBar(10) as bar:
        bar.update(5, ROW)
        print("found it")
    assert "found it" in shown(screen) + capsys.readouterr().out

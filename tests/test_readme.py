"""What the README says is so: two commands, the formula that its own loss prints, the test command of the checks."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from tests.pages import ROOT, blocks

README = ROOT / "README.md"


def commands() -> list[str]:
    return [block.strip() for block in blocks(README, "sh")]


def test_two_commands_of_one_line_each_set_it_up():
    first, second = commands()
    for command in (first, second):
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/python -m pip install -c constraints.txt -e ")
    assert '-e ".[envs]" && .venv/bin/probrl train ppo' in first
    assert '-e ".[dev]" && .venv/bin/python -m pytest' in second


def test_the_checks_run_the_test_command_of_the_readme():
    """.ci/run takes the one line of the README that it greps for, and names no test command of its own."""
    checks = (ROOT / ".ci" / "run").read_text()
    assert """readme=$(grep -F '".[dev]"' README.md)""" in checks
    assert [line for line in README.read_text().splitlines() if '".[dev]"' in line] == [commands()[1]]
    assert "pytest" not in checks and "unittest" not in checks


def test_the_training_command_trains(tmp_path):
    """The command after the last && of the first line, with fewer steps."""
    script, *arguments = shlex.split(commands()[0].split(" && ")[-1])
    assert script == ".venv/bin/probrl"
    answer = subprocess.run(
        [sys.executable, "-c", "from probrl.cli import main; main()", *arguments, "--total-timesteps", "1024"],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, f"{answer.stdout[-2000:]}\n{answer.stderr[-4000:]}"


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_formulas_of_a_page_compile(page, katex_errors):
    assert katex_errors(blocks(page, "math")) == []


def own_loss_latex() -> str:
    """What the README's own loss prints."""
    namespace: dict = {}
    [source] = [block for block in blocks(README, "python") if "surrogate" in block]
    exec(compile(source, str(README), "exec"), namespace)
    return namespace["loss"].latex().strip()


def test_the_formula_of_the_own_loss_is_the_one_that_it_prints():
    [formula] = blocks(README, "math")
    assert formula.strip() == own_loss_latex(), "python -m tests.test_readme writes it anew"


if __name__ == "__main__":  # write the formula anew
    text = README.read_text(encoding="utf-8")
    start = text.index("```math\n") + len("```math\n")
    README.write_text(text[:start] + own_loss_latex() + "\n" + text[text.index("```\n", start) :], encoding="utf-8")

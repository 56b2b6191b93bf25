"""Every example and every code block of a page runs, as its reader would run it, only with shorter training."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from probrl import algorithms
from tests.pages import ROOT, blocks

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def shortened(source: str) -> str:
    """A program whose training and evaluation are cut short, and nothing else."""
    return re.sub(r"\bepisodes=\d+", "episodes=2", re.sub(r"\.learn\([\d_]+", ".learn(1024", source))


def run(sources: list[str], origin: Path, folder: Path) -> None:
    """Run sources one after another in one namespace of a new process; errors show the lines of the origin."""
    script = folder / "script.py"
    program = [f"exec(compile({shortened(source)!r}, {str(origin)!r}, 'exec'))" for source in sources]
    script.write_text("\n".join(program), encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, f"{answer.stdout[-2000:]}\n{answer.stderr[-4000:]}"


SIMULATORS = {"lunar_lander.py": "Box2D"}  # of an extra, so not on every machine


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(example, tmp_path):
    if example.name in SIMULATORS:
        pytest.importorskip(SIMULATORS[example.name])
    source = example.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 120, "an example is read from top to bottom"
    run([source], example, tmp_path)


def test_an_example_says_what_to_install(tmp_path):
    absent = 'import sys; sys.modules["Box2D"] = None'
    example = ROOT / "examples" / "lunar_lander.py"
    with pytest.raises(AssertionError, match=r"LunarLander-v3 needs .* pip install 'probrl\[envs\]'"):
        run([absent, example.read_text(encoding="utf-8")], example, tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_blocks_of_a_page_run(page, tmp_path):
    run(blocks(page, "python"), page, tmp_path)


def test_a_broken_block_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Text\n\n```python\nx = 1\n```\n\n```python\nassert x == 1\n```\n```python\nassert x == 2\n```\n")
    first, second, third = blocks(page, "python")
    run([first, second], page, tmp_path)
    with pytest.raises(AssertionError, match=r"page\.md.*line 11"):
        run([first, second, third], page, tmp_path)


@pytest.mark.parametrize("name", algorithms.names())
def test_every_algorithm_has_a_page_made_from_its_declaration(name):
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert f"```{{algorithm}} {name}\n```" in page and f"probrl train {name}" in page

"""The code blocks of a Markdown page."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^(`{3,})(\{code-block\} *)?([\w-]+)[^\n]*\n(.*?)^\1 *$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language, each with as many empty lines before it as stand above it in the page."""
    text = page.read_text(encoding="utf-8")
    found = [match for match in _BLOCK.finditer(text) if match[3] == language]
    return ["\n" * text.count("\n", 0, match.start(4)) + match[4] for match in found]

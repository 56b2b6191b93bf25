"""What the made pages share: sections, tables, formulas, pictures as nodes, and docstrings in their parts."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

HEADS = ("Args", "Attributes", "Shapes", "Errors", "Source", "Example", "Returns")


class Made(SphinxDirective):
    """A directive that makes sections."""

    required_arguments = 1
    has_content = False

    def section(self, title: str, inside: list[nodes.Node]) -> nodes.section:
        """A section with a title of its own, known to the table of contents."""
        made = nodes.section(ids=[nodes.make_id(title)], names=[nodes.fully_normalize_name(title)])
        made += nodes.title(title, title)
        made.extend(inside)
        self.state.document.note_implicit_target(made, made)
        return made

    def markdown(self, text: str) -> list[nodes.Node]:
        """Nodes of Markdown: the paragraphs of a docstring."""
        holder = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), self.env.docname), 0, holder)
        return list(holder.children)

    def picture(self, file: Path, caption: str) -> list[nodes.Node]:
        """A picture that was made for this page, and what it shows."""
        uri = Path(os.path.relpath(file, Path(self.env.doc2path(self.env.docname)).parent)).as_posix()
        return [nodes.image(uri=uri, alt=caption), nodes.paragraph("", "", nodes.emphasis(caption, caption))]

    @property
    def pictures(self) -> Path:
        """Where the pictures of this page are made: beside the doctrees, so that the pages' folder stays as it is."""
        folder = Path(self.env.doctreedir) / "pictures" / self.env.docname
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def made_from(self, *things: Any) -> None:
        """The page is made anew when one of these files, or the file of one of these classes, has changed."""
        for thing in things:
            file = thing if isinstance(thing, (str, Path)) else inspect.getsourcefile(thing)
            self.env.note_dependency(str(file))


@dataclasses.dataclass(frozen=True)
class Said:
    """What a docstring of the house says, as Markdown.

    Attributes:
        summary: the first paragraph.
        body: the others, before and between the sections with a head.
        parts: the text under each head.
        fields: a phrase per attribute and per argument.
    """

    summary: str
    body: str
    parts: dict[str, str]
    fields: dict[str, str]


def read_docstring(thing: Any) -> Said:
    """A docstring in its parts."""
    parts: dict[str, list[str]] = {"": []}
    head = ""
    for line in (inspect.getdoc(thing) or "").splitlines():
        if line.rstrip(":").rstrip("s") in {h.rstrip("s") for h in HEADS} and line.endswith(":"):
            head = line.rstrip(":").removesuffix("s")
            parts[head] = []
        else:
            if line and not line.startswith(" "):
                head = ""
            parts[head].append(line)
    text = {head: textwrap.dedent("\n".join(lines)).strip() for head, lines in parts.items()}
    summary, _, body = text.pop("").partition("\n\n")
    return Said(
        markdown(summary), markdown(body), text, _fields(text.get("Attribute", "")) | _fields(text.get("Arg", ""))
    )


def _fields(text: str) -> dict[str, str]:
    """Phrases by argument; several arguments may share one."""
    found = {}
    for entry in re.split(r"\n(?=\w)", text) if text else []:
        names, _, said = entry.partition(": ")
        found |= dict.fromkeys(names.split(", "), plain(said))
    return found


def plain(text: str) -> str:
    """A phrase of a docstring as one line of plain text."""
    return " ".join(re.sub(r":\w+:`~?([\w.]*\.)?(\w+)`", r"\2", text).replace("``", "").split())


def markdown(text: str) -> str:
    """A docstring's paragraphs as Markdown: formulas, code and names of classes."""
    blocks = re.split(r"\n\s*\n", text)
    return "\n\n".join(_block(block) for block in blocks if block.strip())


def _block(block: str) -> str:
    if block.startswith(".. math::"):
        return f"```{{math}}\n{textwrap.dedent(block.removeprefix('.. math::')).strip()}\n```"
    block = re.sub(r":math:`([^`]*)`", r"$\1$", block)
    block = re.sub(r":\w+:`~?([\w.]*\.)?(\w+)`", r"`\2`", block)
    return block.replace("``", "`")


def formula(latex: str) -> nodes.Node:
    """A display formula."""
    return nodes.math_block(latex, latex, nowrap=True, number=None, label=None)


def paragraph(text: str) -> nodes.paragraph:
    """Plain text."""
    return nodes.paragraph(text, text)


def code(text: str, language: str = "python") -> nodes.literal_block:
    """Lines of code, or of output with the language "none"."""
    return nodes.literal_block(text, text, language=language)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], literal: int, wide: int = 4) -> nodes.table:
    """A table whose first columns are set like code."""
    group = nodes.tgroup(cols=len(head))
    group.extend(nodes.colspec(colwidth=1 if i < literal else wide) for i in range(len(head)))
    group += nodes.thead("", row(head, 0))
    group += nodes.tbody("", *(row(cells, literal) for cells in rows))
    return nodes.table("", group)


def row(cells: tuple[str, ...], literal: int) -> nodes.row:
    """A row of a table."""
    texts = [nodes.literal(c, c) if i < literal else nodes.Text(c) for i, c in enumerate(cells)]
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", text)) for text in texts))

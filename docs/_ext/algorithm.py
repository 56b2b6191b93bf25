"""The directive `algorithm`: the sections of an algorithm's page, made from its declaration when the pages are built.

Equations, table of gradients, logged metrics, options, learning curves, sources: each is asked of the object that is
executed, or of its docstring, so that no page can say otherwise. Pictures in `docs/curves/NAME/` are the curves.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

ENVIRONMENT = "CartPole-v1"
STEPS = (
    "Rows that are no step (the one after the end of an episode, which only carries the last observation) have valid = 0. "
    "They stand in no mean, and a recursion starts anew behind them. An episode that is cut by a time limit bootstraps "
    "from its last observation where there is a critic; one that terminates does not."
)


class Algorithm(Directive):
    """The sections of one algorithm's page, by the name of its file."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        agent, summary = made(name)
        said = read_docstring(type(agent.algorithm))
        tables = agent.program.gradients().values()
        trained = [
            formula(agent.program.latex()),
            *map(paragraph, [*said.body, STEPS, "Which term moves which network:"]),
        ]
        trained += [nodes.literal_block(str(table), str(table), language="none") for table in tables]
        sections = {
            "What is trained": trained,
            "What is logged": [table(("name", "what it is"), meanings(agent).items(), literal=1)],
            "Defaults": [table(("option", "default", "what it is"), options(agent.algorithm, said.fields), literal=2)],
            "Options that suit an environment": suited(type(agent.algorithm)),
            "Learning curves": curves(Path(self.state.document.settings.env.srcdir), name),
            "Sources": [paragraph(said.sources)],
        }
        found = [self.section(title, inside) for title, inside in sections.items() if inside]
        return [paragraph(summary), *found]

    def section(self, title: str, inside: list[nodes.Node]) -> nodes.section:
        """A section with a title of its own, known to the table of contents."""
        made = nodes.section(ids=[nodes.make_id(title)], names=[nodes.fully_normalize_name(title)])
        made += nodes.title(title, title)
        made.extend(inside)
        self.state.document.note_implicit_target(made, made)
        return made


def made(name: str) -> tuple[Any, str]:
    """An agent of the algorithm, and the sentence that says which settings its page is printed with."""
    from probrl.training import agent_of
    from probrl.training.catalogue import algorithm_class

    cls = algorithm_class(name)
    return agent_of(cls)(ENVIRONMENT, seed=1), (
        f"probrl/algorithms/{name}.py is the whole declaration. Everything below is printed by it, with its defaults and "
        f"the spaces of {ENVIRONMENT}, when the page is built."
    )


def meanings(agent: Any) -> dict[str, str]:
    """Every metric of the algorithm's learning, with what it means."""
    from probrl.training.meanings import meanings as asked

    return asked(agent)


@dataclasses.dataclass(frozen=True)
class Said:
    """What a docstring says: paragraphs between summary and sources, sources, and a phrase per field."""

    body: tuple[str, ...]
    sources: str
    fields: dict[str, str]


def read_docstring(cls: type[Any]) -> Said:
    """The parts of an algorithm's docstring."""
    text, _, arguments = (inspect.getdoc(cls) or "").partition("\nArgs:\n")
    paragraphs = [" ".join(p.split()).replace("``", "") for p in text.split("\n\n") if p.strip()]
    sources = next((p for p in paragraphs if p.startswith("Source")), "")
    entries = re.split(r"\n(?=\w)", textwrap.dedent(arguments).strip())
    fields = {name: " ".join(said.split()).replace("``", "") for name, _, said in (e.partition(": ") for e in entries)}
    return Said(tuple(p for p in paragraphs[1:] if p is not sources), sources.partition(": ")[2], fields)


def options(algorithm: Any, said: dict[str, str]) -> Iterable[tuple[str, str, str]]:
    """The fields of a declaration: name, default, meaning."""
    return [(f.name, str(getattr(algorithm, f.name)), said[f.name]) for f in dataclasses.fields(algorithm) if f.init]


def suited(algorithm: type[Any]) -> list[nodes.Node]:
    """The options that suit a family of environments or one environment better, as a command line says them."""
    from probrl.cli.listing import suits

    text = suits(algorithm)
    said = "An option that is not given is the one that suits the environment; tuned=False asks for the defaults above."
    return [paragraph(said), nodes.literal_block(text, text, language="none")] if text else []


def curves(pages: Path, name: str) -> list[nodes.Node]:
    """The pictures of the algorithm's learning curves, where there are any; a file's name says what it shows."""
    found: list[nodes.Node] = []
    for picture in sorted((pages / "curves" / name).glob("*.[ps][nv]g")):
        caption = picture.stem.replace("_", " ")
        found += [nodes.image(uri=f"curves/{name}/{picture.name}", alt=caption), paragraph(caption)]
    return found


def formula(latex: str) -> nodes.Node:
    """A display formula."""
    return nodes.math_block(latex, latex, nowrap=True, number=None, label=None)


def paragraph(text: str) -> nodes.paragraph:
    """Plain text."""
    return nodes.paragraph(text, text)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], literal: int) -> nodes.table:
    """A table whose first columns are set like code."""
    group = nodes.tgroup(cols=len(head))
    group.extend(nodes.colspec(colwidth=1 if i < literal else 4) for i in range(len(head)))
    group += nodes.thead("", row(head, 0))
    group += nodes.tbody("", *(row(cells, literal) for cells in rows))
    return nodes.table("", group)


def row(cells: tuple[str, ...], literal: int) -> nodes.row:
    """A row of a table."""
    texts = [nodes.literal(c, c) if i < literal else nodes.Text(c) for i, c in enumerate(cells)]
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", text)) for text in texts))


def setup(app: Sphinx) -> dict:
    app.add_directive("algorithm", Algorithm)
    return {"parallel_read_safe": True}

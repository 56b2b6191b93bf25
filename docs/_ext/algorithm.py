"""The directive `algorithm`: the sections of an algorithm's page, made from its declaration when the pages are built.

Equations, table of gradients, logged metrics, options, sources: each is asked of the object that is executed, or of its
docstring, so that no page can say otherwise. Learning curves are drawn from what the benchmarks wrote, see `returns`.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import returns
from docutils import nodes
from sections import Made, code, formula, paragraph, table
from sphinx.application import Sphinx

ENVIRONMENT = "CartPole-v1"
STEPS = (
    "Rows with valid = 0 are not steps: such a row follows the end of an episode and only carries its last observation. "
    "They enter no mean, and every recursion restarts at them. Where there is a critic, an episode that was cut off by a "
    "time limit bootstraps from its last observation; one that terminated does not."
)


class Algorithm(Made):
    """The sections of one algorithm's page, by the name of its file."""

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        agent, summary = made(name)
        self.made_from(type(agent.algorithm), __file__)
        said = read_docstring(type(agent.algorithm))
        tables = agent.program.gradients().values()
        trained = [
            formula(agent.program.latex()),
            *map(paragraph, [*said.body, STEPS, "Which term trains which network:"]),
        ]
        trained += [code(str(table), "none") for table in tables]
        sections = {
            "What is trained": trained,
            "What is logged": [table(("name", "what it is"), meanings(agent).items(), literal=1)],
            "Defaults": [table(("option", "default", "what it is"), options(agent.algorithm, said.fields), literal=2)],
            "Tuned options": suited(type(agent.algorithm)),
            "Learning curves": self.curves(name),
            "Sources": [paragraph(said.sources)],
        }
        found = [self.section(title, inside) for title, inside in sections.items() if inside]
        return [paragraph(summary), *found]

    def curves(self, name: str) -> list[nodes.Node]:
        """The curves and the table of every file of returns that there is of the algorithm."""
        known = returns.files(Path(self.env.srcdir) / "curves", name)
        if not known:
            return []
        self.made_from(returns.__file__, *known)
        read = [returns.read(file) for file in known]
        picture = returns.draw(read, self.pictures / "returns.png")
        return [
            paragraph(returns.SAID),
            *self.picture(picture, returns.CAPTION),
            table(returns.HEAD, returns.rows(read), literal=1, wide=1),
            code("\n".join(map(returns.settings, read)), "none"),
        ]


def made(name: str) -> tuple[Any, str]:
    """An agent of the algorithm, and the sentence that says which settings its page is printed with."""
    from probrl.training import agent_of
    from probrl.training.catalogue import algorithm_class

    cls = algorithm_class(name)
    return agent_of(cls)(ENVIRONMENT, seed=1, tuned=False), (
        f"probrl/algorithms/{name}.py is the whole declaration. Everything below is printed from it when the page is "
        f"built, with its default options and the spaces of {ENVIRONMENT}."
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
    """The options that are tuned for one environment or a family of them, as flags."""
    from probrl.cli.listing import suits

    text = suits(algorithm)
    said = "Options that you leave out take these values where the environment is listed; tuned=False gives the defaults above."
    return [paragraph(said), code(text, "none")] if text else []


def setup(app: Sphinx) -> dict:
    app.add_directive("algorithm", Algorithm)
    return {"parallel_read_safe": True}

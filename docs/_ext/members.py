"""A page for each shipped path and each generative model, by existing: a page is one directive, written before reading.

The pages lie in `paths/` and `models/`, which git ignores: nobody edits them, the classes say everything. The directive
`members` lists them with what each is, and puts them into the table of contents.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from docutils import nodes
from sections import Made, read_docstring
from sphinx.application import Sphinx

TEXT = "# {title}\n\n```{{{kind}}} {name}\n```\n"


def members() -> dict[str, dict[str, type]]:
    """Classes by the name of their file, by kind: "path" and "model"."""
    from probrl import generative
    from probrl.distributions import Distribution
    from probrl.generative.model import Model
    from probrl.training.generating import paths

    found = [thing for thing in (getattr(generative, name) for name in generative.__all__) if isinstance(thing, type)]
    models = [thing for thing in found if issubclass(thing, Distribution) and thing is not Model]
    return {"path": paths(), "model": {thing.__module__.rpartition(".")[2]: thing for thing in models}}


def pages() -> dict[str, str]:
    """The text of every made page, by its name."""
    return {
        f"{kind}s/{name}": TEXT.format(kind=kind, name=name, title=cls.__name__)
        for kind, known in members().items()
        for name, cls in known.items()
    }


def write(app: Sphinx) -> None:
    """Writes what is missing or different, and takes away the pages of what is gone."""
    made = {Path(app.srcdir) / f"{name}.md": text for name, text in pages().items()}
    for folder in {file.parent for file in made}:
        folder.mkdir(exist_ok=True)
        for left in set(folder.glob("*.md")) - set(made):
            left.unlink()
    for file, text in made.items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


class Members(Made):
    """A list of the pages of a kind, "path" or "model", each with the sentence that its file begins with."""

    def run(self) -> list[nodes.Node]:
        kind = self.arguments[0]
        known = members()[kind]
        self.made_from(__file__, *known.values())
        told = [f"- [`{cls.__name__}`]({kind}s/{name}.md): {sentence(kind, cls)}" for name, cls in known.items()]
        entries = [f"{kind}s/{name}" for name in known]
        tree = ["```{toctree}", ":hidden:", *entries, "```"]
        return self.markdown("\n".join([*told, "", *tree]))


def sentence(kind: str, cls: type) -> str:
    """What a path's file, or a model's class, says of itself first."""
    said = read_docstring(inspect.getmodule(cls) if kind == "path" else cls).summary
    return " ".join(said.split())


def setup(app: Sphinx) -> dict:
    app.add_directive("members", Members)
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}

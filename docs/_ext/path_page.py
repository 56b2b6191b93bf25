"""The directive `path`: the page of a shipped path, printed and drawn by the path itself."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import exact
import path_pictures
from docutils import nodes
from sections import Made, code, formula, paragraph, read_docstring, table
from sphinx.application import Sphinx

PICTURES = {
    path_pictures.functions: "How much of data and noise there is, half the logarithm of their ratio, and what each "
    "weight makes of the squared error of the noise.",
    path_pictures.rivers: "Three heaps on the line become noise, and noise becomes them again. States are drawn at "
    "equal size at all times.",
    path_pictures.clouds: "A Swiss roll at equal steps of the time. Below, the colour of a point of noise is that of the "
    "place where it ends.",
}
SHORT = {(True, True): "both ends", (True, False): "at data", (False, True): "at noise", (False, False): "inside"}


class PathPage(Made):
    """The sections of one path's page, by the name of its file."""

    def run(self) -> list[nodes.Node]:
        from probrl.expr.base import read
        from probrl.training.generating import paths

        name = self.arguments[0]
        cls = paths()[name]
        path: Any = cls()
        self.made_from(cls, path_pictures.__file__, __file__)
        said = read_docstring(cls)
        known = path.equations(conversions=False)
        rest = path.equations()[len(known) :]
        words = [made_by(cls), f"probrl train-model diffusion --path {name} --data swiss_roll"]
        drawn: list[nodes.Node] = [paragraph(exact.SAID)]
        for draw, caption in PICTURES.items():
            drawn += self.picture(draw(path, Path(self.pictures / f"{name}_{draw.__name__}.png")), caption)
        sections = {
            "Pictures": drawn,
            "Equations": [formula(path.latex(conversions=False))],
            "Conversions": [
                formula(read("equations_latex", rest, define=False)),
                paragraph(
                    "Where a conversion (row to column) has a limit: at both ends, at data, at noise, or inside alone."
                ),
                conversions(path),
            ],
            "Source": self.markdown(said.parts["Source"]) if "Source" in said.parts else [],
        }
        opening = [*self.markdown(inspect.getdoc(inspect.getmodule(cls)) or ""), code(words[0]), code(words[1], "sh")]
        about = self.markdown("\n\n".join(filter(None, [said.summary, said.body])))
        found = [self.section(title, inside) for title, inside in sections.items() if inside]
        return [*opening, *about, *options(cls, said.fields), *used(cls), *found]


def made_by(cls: type[Any]) -> str:
    """How one is made, with the values that its constants have unless others are given."""
    given = [p for p in inspect.signature(cls).parameters.values() if p.default is not p.empty]
    return f"path = pr.paths.{cls.__name__}({', '.join(f'{p.name}={p.default!r}' for p in given)})"


def options(cls: type[Any], said: dict[str, str]) -> list[nodes.Node]:
    """What the docstring says of the arguments, where it says something."""
    return [table(("argument", "what it is"), said.items(), literal=1)] if said else []


def used(cls: type[Any]) -> list[nodes.Node]:
    """The models that go along it unless they are told otherwise."""
    from members import members

    found = [m.__name__ for m in members()["model"].values() if vars(m).get("usual_path") is cls]
    return [paragraph(f"{' and '.join(found)}: along it, unless another path is given.")] if found else []


def conversions(path: Any) -> nodes.table:
    """Where each prediction can be had from each other one."""
    from probrl.paths.derived import PREDICTIONS

    rows = [
        (source, *("" if source == target else SHORT[path.finite(source, target)] for target in PREDICTIONS))
        for source in PREDICTIONS
    ]
    return table(("from", *PREDICTIONS), rows, literal=1, wide=1)


def setup(app: Sphinx) -> dict:
    app.add_directive("path", PathPage)
    return {"parallel_read_safe": True}

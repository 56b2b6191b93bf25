"""The directive `model`: the page of a generative model, printed by a small one and drawn by its own sampler."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import exact
import model_pictures
from docutils import nodes
from sections import Made, code, formula, paragraph, read_docstring, table
from sphinx.application import Sphinx

ANSWERS = {
    "matching": "the error of a value, one number per row, to be weighted and minimised",
    "draw": "a value in a formula; .sample on tensors",
    "score": "the slope of the log-density at (x_t, t)",
    "noise": "the noise in x_t",
    "data": "the data in x_t",
    "velocity": "where x_t moves as t grows",
    "chain": "the states of a draw, step by step, with their drift and noise",
    "kernel": "the law of one step",
    "log_prob": "the log-density of a value, along the flow",
}


class ModelPage(Made):
    """The sections of one model's page, by the name of its file."""

    def run(self) -> list[nodes.Node]:
        from members import members

        import probrl as pr

        name = self.arguments[0]
        cls = members()["model"][name]
        model: Any = cls.example()
        self.made_from(cls, model_pictures.__file__, __file__)
        said = read_docstring(cls)
        s, a = pr.symbols("s a")
        trained = self.trained(lambda: pr.mean(model(s).matching(a)))
        drawn: list[nodes.Node] = [paragraph(exact.SAID)] if name in model_pictures.PICTURES else []
        for file, caption in model_pictures.drawn(name, self.pictures):
            drawn += self.picture(file, caption)
        sections = {
            "Pictures": drawn,
            "What is trained": trained,
            "What it answers": [
                paragraph(f"A small one as it is made: {model.said}; {type(model.solver).__name__} draws."),
                table(("asked for", "answer"), answers(model), literal=1),
            ],
            "Options": [table(("option", "default", "what it is"), options(cls, said.fields), literal=2)],
            "Example": [code(example(said.parts["Example"]))] if "Example" in said.parts else [],
            "In a shell": shell(name),
            "Source": self.markdown(said.parts["Source"]) if "Source" in said.parts else [],
        }
        found = [self.section(title, inside) for title, inside in sections.items() if inside]
        return [*self.markdown(f"{said.summary}\n\n{said.body}"), *found]

    def trained(self, loss: Callable[[], Any]) -> list[nodes.Node]:
        """The loss in full, or why there is none."""
        from probrl.errors import ExpressionError

        try:
            return [formula(loss().latex())]
        except ExpressionError as refusal:
            why = reason(refusal)
            return [paragraph(f"{why[:1].upper()}{why[1:]}.")]


def answers(model: Any) -> list[tuple[str, str]]:
    """What there is at a condition, and why the rest is refused, each asked of a model."""
    import probrl as pr
    from probrl.errors import ExpressionError

    s, a, t = pr.symbols("s a t")
    x_t, applied = pr.symbols("x_t", rank=1), model(s)
    ask = {"log_prob": (a,), "matching": (a,), "kernel": (x_t, t), "chain": (), "draw": ()}
    found = []
    for name, meaning in ANSWERS.items():
        try:
            getattr(applied, name)(*ask.get(name, (x_t, t)))
            found.append((name, meaning))
        except ExpressionError as refusal:
            found.append((name, f"no: {reason(refusal)}"))
        except AttributeError:
            found.append((name, "no"))
    return found


def reason(refusal: Exception) -> str:
    """A refusal without the formula that it begins with."""
    return re.sub(r"^\S*?\S* ?\S*? ?\S*?: ", "", str(refusal), count=1) if ": " in str(refusal) else str(refusal)


def options(cls: type[Any], own: dict[str, str]) -> list[tuple[str, str, str]]:
    """The arguments of a class, and those that it hands on, as far as it says so."""
    from probrl.generative.model import Model

    first, *others = handing_on(cls)
    said = [own, *(read_docstring(base).fields for base in (first, *others, Model))]
    handed = own.get("options", "those of")
    found: dict[str, tuple[str, str, str]] = {}
    for base in (first, *others):
        for p in signature(base):
            known = base is first or p.name in own or "those of" in handed or p.name in re.findall(r"\w+", handed)
            named = p.kind is p.KEYWORD_ONLY or (base is first and p.kind is p.POSITIONAL_OR_KEYWORD)
            words = [fields[p.name] for fields in said if p.name in fields]
            if known and named and words and p.name not in found:
                words = [w for w in words if not re.match(r"(as )?of \w+\.?$", w)] or words
                found[p.name] = (p.name, default(cls, p), words[0])
    return list(found.values())


def handing_on(cls: type[Any]) -> list[type[Any]]:
    """Whose constructor is called, and those that it hands options on to."""
    found: list[type[Any]] = []
    for base in (base for base in cls.__mro__ if "__init__" in vars(base)):
        found.append(base)
        if not any(p.kind is p.VAR_KEYWORD for p in signature(base)):
            break
    return found


def default(cls: type[Any], p: inspect.Parameter) -> str:
    """What an argument is unless it is given; of some a class has what is usual."""
    usual = {"path": "usual_path", "predicts": "usual_prediction", "weight": "usual_weight", "solver": "usual_solver"}
    value = p.default
    if value is None and (of_class := getattr(cls, usual.get(p.name, ""), None)) is not None:
        value = of_class
    if p.name == "solver" and value is not None:
        return f"{type(value).__name__}({value.steps})"
    return "" if value is p.empty else str(getattr(value, "__name__", value))


def signature(cls: type[Any]) -> list[inspect.Parameter]:
    """The parameters of a constructor."""
    return list(inspect.signature(cls.__init__).parameters.values())


def example(text: str) -> str:
    """The lines of a doctest that are typed, without what they answer."""
    return "\n".join(line[4:] for line in text.splitlines() if line.startswith((">>> ", "... ")))


def shell(name: str) -> list[nodes.Node]:
    """The command that fits one to data, where words are enough to make it."""
    from probrl.training.generating import models

    return [code(f"probrl train-model {name} --data swiss_roll\nprobrl show {name}", "sh")] if name in models() else []


def setup(app: Sphinx) -> dict:
    app.add_directive("model", ModelPage)
    return {"parallel_read_safe": True}

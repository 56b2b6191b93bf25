"""``probrl show MODEL``: the equations by which a generative model is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from probrl.cli.arguments import parse
from probrl.cli.recipes import model_of, recipe_of, with_recipe
from probrl.cli.show import written
from probrl.training.generative import GenerativeTrainer


@dataclass(frozen=True)
class ShowModel:
    """Prints the equations by which a generative model is fitted.

    Args:
        format: LaTeX, text for a terminal, a picture, or the code of the update's graph.
        data: the data set that it is declared for.
        output: write to this file instead; a picture is written to one named after the model otherwise.
    """

    format: Literal["latex", "text", "png", "code"] = "latex"
    data: str = "swiss_roll"
    output: str | None = None


def show_model(words: list[str]) -> None:
    """``probrl show MODEL --format latex|text|png|code``, and everything that a model is made of."""
    name, rest = model_of(words, "show")
    chosen: Any = parse(with_recipe(ShowModel), rest, f"show {name}")
    written(GenerativeTrainer(recipe_of(name, chosen.recipe), data=chosen.data), name, chosen)

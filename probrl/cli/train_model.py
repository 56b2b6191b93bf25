"""``probrl train-model MODEL``: trains a generative model on data and saves everything in a run folder."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from probrl.cli.arguments import flags_of, parse
from probrl.cli.recipes import model_of, models_in_words, recipe_of, with_recipe
from probrl.data.toys import names
from probrl.graph.optimizers import Adam
from probrl.training import Settings
from probrl.training.fitted import RUNNING, Fitting
from probrl.training.generative import GenerativeTrainer
from probrl.training.settings import whole_number

SAID = tuple(name for name in RUNNING if name not in ("run", "plot"))
FITTED = tuple(f.name for f in dataclasses.fields(Fitting) if f.name != "optimizer")


@dataclass(frozen=True)
class TrainModel:
    """Trains a generative model on data and saves equations, metrics, weights and pictures in a run folder.

    Args:
        data: a built-in data set, or a file of arrays with a column "x" (and a column "c" for a conditional model).
        steps: number of training steps, one minibatch each.
        learning_rate: learning rate of Adam.
        run: run folder; by default a new one under runs, named after data, model, seed and time.
        plot: whether to draw pictures into the run folder, if matplotlib is installed.
    """

    data: str = "swiss_roll"
    steps: int = 5000
    learning_rate: float = 1e-3
    run: str | None = None
    plot: bool = True


def train_model(words: list[str]) -> None:
    """``probrl train-model MODEL --data ... --steps ... --seed ...``, and everything that a model is made of."""
    if words in (["-h"], ["--help"]):
        print(usage())
        return
    name, rest = model_of(words, "train-model")
    groups = (
        ("fitting", flags_of(Fitting, only=FITTED)),
        ("settings", flags_of(Settings, {"checkpoint_interval": 1000}, SAID)),
    )
    chosen: Any = parse(with_recipe(TrainModel, *groups), rest, f"train-model {name}")
    whole_number("steps", chosen.steps)
    folder = chosen.run or folder_for(name, chosen)
    options = {**vars(chosen.fitting), **vars(chosen.settings), "plot": chosen.plot, "run": folder}
    trainer = GenerativeTrainer(
        recipe_of(name, chosen.recipe), data=chosen.data, optimizer=Adam(chosen.learning_rate), **options
    )
    trainer.learn(chosen.steps)
    report(trainer, folder, chosen.plot)


def report(trainer: GenerativeTrainer, folder: str, plot: bool) -> None:
    """Says how far it is and how good samples are, and draws what can be drawn."""
    print(f"{trainer.timesteps} steps, kept in {folder}")
    print(trainer.evaluate())
    if plot and find_spec("matplotlib") is None:
        print("no pictures: matplotlib is not installed: pip install 'probrl[plot]'")
    elif plot:
        print(f"pictures: {', '.join(path.name for path in trainer.pictures())}")


def folder_for(name: str, chosen: Any) -> str:
    """The folder of a run that was given none."""
    return f"runs/{Path(chosen.data).stem}__{name}__{chosen.settings.seed}__{time.strftime('%Y%m%d-%H%M%S')}"


def usage() -> str:
    """The help before a model is named."""
    return (
        f"usage: probrl train-model MODEL [OPTIONS]\n\n{models_in_words()}\n\ndata sets\n  {', '.join(names())}, "
        "or a file (.npz, .npy, .pt, .safetensors)\n\nprobrl train-model MODEL --help shows the options with their defaults."
    )

"""A generative model described in plain types, for the command line and for manifests, and the model built from it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from probrl.errors import DataError, ProbrlError
from probrl.generative.model import Model
from probrl.training.generating import models, named, networks, paths, solvers


@dataclass(frozen=True)
class Recipe:
    """The parts of a generative model; None leaves the choice to the model or the network.

    Args:
        model: name of the model's file, such as "flow".
        path: path between data and noise, such as "linear_vp".
        predicts: what the network predicts: "noise", "score", "data", "velocity" or "F".
        weight: the prediction whose squared error counts equally at all times, or another weight that the model knows.
        law: distribution of training times: "uniform", "likelihood", "logit_normal", "edm" or "arcsine".
        coupling: how noise is paired with data: "independent" or "ot" (optimal transport).
        drop: probability of dropping the condition in training, for classifier-free guidance.
        conditional: whether the model is conditioned on the column "c" of the data.
        network: name of the network's file, such as "time_mlp".
        hidden: sizes of the network's hidden layers.
        width: width of the network's layers.
        blocks: number of the network's blocks.
        solver: name of the solver that draws samples, such as "heun".
        steps_of_solver: number of solver steps per sample.

    Errors:
        DataError naming what is unknown, with the nearest known one.

    Example:
        >>> Recipe("flow", coupling="ot", hidden=(64, 64), solver="heun", steps_of_solver=20).coupling
        'ot'
    """

    model: str = "flow"
    path: str | None = None
    predicts: str | None = None
    weight: str | None = None
    law: str | None = None
    coupling: str | None = None
    drop: float | None = None
    conditional: bool = False
    network: str = "time_mlp"
    hidden: tuple[int, ...] | None = None
    width: int | None = None
    blocks: int | None = None
    solver: str | None = None
    steps_of_solver: int | None = None

    def __post_init__(self) -> None:
        named("generative model", self.model, models())
        named("network", self.network, networks())
        if self.path is not None:
            named("path", self.path, paths())
        if self.solver is not None:
            named("solver", self.solver, solvers())

    @property
    def declaration(self) -> str:
        """The variable, and its condition if it has one."""
        return "x | c" if self.conditional else "x"

    @property
    def plain(self) -> dict[str, Any]:
        """Every field in plain types."""
        return asdict(self)

    def made(self, shapes: Mapping[str, tuple[int, ...]], seed: int) -> Model:
        """The model, with a network whose first weights come from the seed.

        Args:
            shapes: of the rows of "x", and of "c" where it is conditional.
            seed: of the weights; torch's own stream is left as it was.
        """
        if "x" not in shapes or (self.conditional and "c" not in shapes):
            lacking = "c" if "x" in shapes else "x"
            raise DataError(f"the data set has no column {lacking!r}, only {', '.join(map(repr, shapes))}")
        condition = int(torch.Size(shapes["c"]).numel()) if self.conditional else 0
        cls = models()[self.model]
        second = ["score"] if "score" in inspect.signature(cls.__init__).parameters else []  # a network of its own
        net = {"hidden": self.hidden, "width": self.width, "blocks": self.blocks}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network, *others = (
                _called(networks()[self.network], self.network, net, shapes["x"], condition + cls.told)
                for _ in ("network", *second)
            )
        own: dict[str, Any] = {"weight": self.weight, "law": self.law, "drop": self.drop, "predicts": self.predicts}
        own |= {"coupling": self.coupling, "path": None if self.path is None else named("path", self.path, paths())()}
        own |= {"event_shape": shapes["x"], "solver": self._solver(), **dict(zip(second, others, strict=True))}
        found: Model = _called(cls, self.model, own, self.declaration, network)
        return found

    def _solver(self) -> Any:
        if self.solver is None and self.steps_of_solver is None:
            return None
        cls = type(models()[self.model].usual_solver) if self.solver is None else solvers()[self.solver]
        return cls() if self.steps_of_solver is None else cls(steps=self.steps_of_solver)


def _called(cls: type[Any], name: str, options: dict[str, Any], *first: Any) -> Any:
    """An instance with the options that were given, refused by name where the class has none of that name."""
    given = {key: value for key, value in options.items() if value is not None}
    known = {key for base in cls.__mro__ if "__init__" in vars(base) for key in inspect.signature(base).parameters}
    for key in given:
        if key not in known:
            raise DataError(f"{name} has no {key}: leave it out")
    try:
        return cls(*first, **given)
    except TypeError as error:
        if isinstance(error, ProbrlError):
            raise
        raise DataError(f"{name} needs more than words can say, so make it in Python: {error}") from error

"""The trainer of generative models: a model, an objective and data, on the engine that every trainer runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from probrl.errors import DataError
from probrl.expr.base import Expr
from probrl.generative.model import Model
from probrl.graph.optimizers import Optimizer
from probrl.nested import each, parts
from probrl.program import Program
from probrl.program.steps import Step
from probrl.training.aim import names_of, objective_of, program_of
from probrl.training.batches import Batches
from probrl.training.callbacks import Callback
from probrl.training.dataset import DataSet, Division
from probrl.training.declared import Readings
from probrl.training.fitted import USUAL, sorted_out
from probrl.training.kept import fill, take
from probrl.training.measured import Measure, Quality, measure
from probrl.training.minibatches import MinibatchTrainer
from probrl.training.recipe import Recipe
from probrl.training.settings import whole_number
from probrl.training.stored import Stored

SAMPLES = 1_000_003  # added to the seed: what is drawn to be looked at disturbs nothing
FORGOTTEN = 5  # averaging times after which the first weights are a hundredth of an average


class GenerativeTrainer(Readings, Stored):
    """Trains a generative model on data, prints its equations, evaluates its samples, and saves it.

    Args:
        model: a generative model, or a :class:`Recipe` of one.
        objective: what is minimised: an expression, a function from the model to one, or a step of a program; None is
            the mean matching error of the model's variables at its conditions.
        data: the name of a built-in data set, a toy, a path, a dict of tensors, a torch Dataset; its columns are those
            that the objective reads.
        optimizer: None is Adam at 1e-3.
        batch_size: rows per step.
        ema: how much of the average of the weights stays at each step; None keeps no average.
        options: further fields of :class:`Fitting`, and of :class:`probrl.training.Settings`: seed, device, backend,
            run, progress, threads, checkpoint_interval, eval_interval, tensorboard, plot.

    Attributes:
        model: the model; ``model.ema`` is the average.
        timesteps: steps so far.

    Errors:
        DataError naming what does not go: an unknown option, an empty data set, NaN, a column that lacks, a network whose
        output has another shape.

    Example:
        ``pr.GenerativeTrainer(pr.Flow("x", pr.networks.TimeMLP(2)), data="swiss_roll").learn(5_000)``
    """

    def __init__(
        self,
        model: Model | Recipe,
        objective: Expr | Callable[[Any], Expr] | Step | None = None,
        data: Any = None,
        optimizer: Optimizer | None = None,
        batch_size: int = 512,
        ema: float | None = 0.999,
        **options: Any,
    ) -> None:
        Stored.__init__(self)
        self.algorithm, self.settings = sorted_out(options, optimizer or USUAL, batch_size, ema)
        kept = options.get("kept") or {}
        self.own = [name for name, part in (("objective", objective), ("optimizer", optimizer)) if part is not None]
        self.recipe = model if isinstance(model, Recipe) else None
        declaration = self.recipe if isinstance(model, Recipe) else model.declaration
        variables, conditions = (("x",), ("c",)) if isinstance(declaration, Recipe) else names_of(declaration)
        self.data = None if data is None else DataSet(data, variables, conditions, self.settings.seed)
        self.shapes = {k: tuple(v) for k, v in kept["shapes"].items()} if kept else self._seen()
        self.expected: str | None = kept.get("data_digest")
        self.model: Any = model.made(self.shapes, self.settings.seed) if isinstance(model, Recipe) else model
        self.model.to(self.settings.device)
        self.objective = objective_of(objective, self.model)
        self._program = program_of(self.objective, self.model, self.algorithm)
        self._generator = torch.Generator(self.settings.device).manual_seed(self.settings.seed + SAMPLES)
        self._update: Any = None
        self._backend: str | None = None
        self._loop: MinibatchTrainer | None = None
        if not kept:
            self._refuse_misfit()
            if self.settings.run is not None:
                self.keep_in(self.settings.run)

    # --- what it is --------------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        return f"GenerativeTrainer({self.model_name}, {self.data_name!r}, seed={self.settings.seed}, steps={self.timesteps})"

    @property
    def model_name(self) -> str:
        """What the model is called."""
        return self.recipe.model if self.recipe else type(self.model).__name__.lower()

    @property
    def data_name(self) -> str:
        """What the data set is called."""
        return "no data" if self.data is None else self.data.said

    env_name = data_name
    normalization = None

    @property
    def program(self) -> Program:
        """Every update, in the order in which it runs."""
        return self._program

    @property
    def update(self) -> Any:
        """The compiled program."""
        if self._update is None:
            self.compile(None)
        return self._update

    @property
    def backend(self) -> str | None:
        """The backend that runs the update; None until it is chosen."""
        return self._backend if self._update is None else getattr(self._update, "backend", None)

    @property
    def threads(self) -> int:
        """How many threads torch computes with, see :class:`probrl.training.Settings`."""
        return self.settings.threads_for(sum(p.numel() for net in self.networks().values() for p in net.parameters()))

    def networks(self) -> dict[str, nn.Module]:
        """The modules whose weights are learned, by name: the model, and what else the objective has."""
        found: dict[str, nn.Module] = {"model": self.model}
        known = {id(p) for p in self.model.parameters()}
        for i, network in enumerate(self.program.networks):
            module = network.module
            if isinstance(module, nn.Module) and any(id(p) not in known for p in module.parameters()):
                found[f"network{i}"] = module
        return found

    # --- learning ----------------------------------------------------------------------------------------------
    def learn(self, steps: int, callback: Callback | Iterable[Callback] | None = None) -> GenerativeTrainer:
        """Trains for some more steps; call it again to continue.

        Args:
            steps: how many minibatches.
            callback: called after every ``log_interval`` steps with this trainer, or several of them; False ends it.

        Errors:
            DataError for a number that is not a positive whole one; NonFiniteError naming the term and the step.
        """
        steps = whole_number("steps", steps)
        if self._loop is None:
            batches = Batches(self._moved(self.divided.train), self.settings.seed)
            self._loop = MinibatchTrainer(self, batches, self.algorithm.batch_size, self.algorithm.log_interval)
        self._loop.learn(steps, callback)
        return self

    def compile(self, updates: int | None) -> None:
        """Compiles the program, once; ``updates`` decides whether ``backend="auto"`` does, None if nobody knows."""
        if self._update is None:
            backend = self._backend or self.settings.backend
            self._update = self.program.compile(backend=backend, seed=self.settings.seed, updates=updates)
            if self.kept.get("update"):
                fill(self._update, self.kept.pop("update"))

    # --- what came of it ---------------------------------------------------------------------------------------
    @property
    def averaged(self) -> Any:
        """The model that samples are drawn from: the averaged weights, once the average has forgotten the initial ones."""
        ema = self.algorithm.ema
        return self.model if ema is None or self.timesteps < round(FORGOTTEN / (1 - ema)) else self.model.ema

    def sample(self, given: Any = None, **options: Any) -> dict[str, Any]:
        """Samples from :attr:`averaged` with the trainer's own generator, see :meth:`probrl.generative.Model.sample`."""
        return self.averaged.sample(given, **{"generator": self._generator, **options})

    def evaluate(self, n: int = 2000, **options: Any) -> Quality:
        """Statistics of samples against held-out data, see :func:`probrl.training.measured.measure`.

        Args:
            n: how many samples, at most as many as there are held-out rows.
            options: of ``sample``: ``solver``, ``steps``.
        """
        return measure(self, whole_number("n", n), **options)

    def pictures(self, folder: str | Path | None = None) -> list[Path]:
        """Draws samples, trajectories, the density and the flow into a folder, see :mod:`probrl.training.gallery`."""
        from probrl.training.gallery import draw

        place = self.folder if folder is None else Path(folder)
        if place is None:
            raise DataError("say where the pictures shall lie: pictures('folder')")
        return draw(self, place)

    @property
    def divided(self) -> Division:
        """The rows to learn from, and those to compare with.

        Errors:
            DataError without data, and for another data set than the one that was learned from.
        """
        if self.data is None:
            raise DataError("this trainer has no data: hand them over, as in load(path, data=...)")
        if "divided" not in self.__dict__:
            if self.expected is not None and self.data.digest != self.expected:
                raise DataError(
                    f"{self.data_name} holds other numbers than those that were learned from (digest {self.data.digest}, "
                    f"then {self.expected})"
                )
            self.__dict__["divided"] = self.data.divided(self.algorithm.held_out)
        return self.__dict__["divided"]

    def identity(self) -> dict[str, Any]:
        """What it is, in plain types, as a manifest keeps it."""
        from probrl.training.generative_runs import identity

        return identity(self)

    def hyper_parameters(self) -> dict[str, Any]:
        """What it was made with, by name."""
        recipe = {} if self.recipe is None else self.recipe.plain
        return {**{k: v for k, v in recipe.items() if v is not None}, **super().hyper_parameters()}

    def evaluating(self) -> Callback:
        """What measures samples while it learns, as often as its settings say."""
        assert self.settings.eval_interval is not None
        return Measure(self.settings.eval_interval)

    def take_state(self, state: dict[str, Any]) -> None:
        """Goes on where another one stopped; the average is there at once."""
        take(self, state)  # type: ignore[arg-type]
        if self.kept.get("update"):
            self.compile(None)

    @classmethod
    def load(cls, path: str | Path, **how: Any) -> GenerativeTrainer:
        """The trainer that was saved; what it was handed in Python, as its ``model`` or ``data``, is handed over again."""
        from probrl.training.restoring import load

        found: Any = load(path, **how)
        return found

    # --- checks ------------------------------------------------------------------------------------------------
    def _seen(self) -> dict[str, tuple[int, ...]]:
        if self.data is None:
            raise DataError("a model learns from data: hand them over, as in data='swiss_roll' or data={'x': x}")
        return {path: tuple(column.shape[1:]) for path, column in parts(self.data.table)}

    def _moved(self, table: dict[str, Any]) -> dict[str, Any]:
        read = {name: table[name] for name in self.program.columns}
        return {name: each(lambda x: x.to(self.settings.device), column) for name, column in read.items()}

    def _refuse_misfit(self) -> None:
        assert self.data is not None
        table = self.data.table
        for name in self.program.columns:
            if name not in table:
                raise DataError(f"the objective reads {name!r}, and the data set has {', '.join(map(repr, table))}")
        shapes = self.model.shapes if isinstance(self.model, Model) else {}
        for name, shape in shapes.items():
            if name in self.shapes and self.shapes[name] != tuple(shape):
                raise DataError(
                    f"{name!r} has rows of shape {self.shapes[name]}, and {self.model.notation} is declared with {tuple(shape)}"
                )
        few = self._moved({name: each(lambda x: x[:2], column) for name, column in table.items()})
        if isinstance(self.objective, Expr):  # what does not fit is better known before anything is learned
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                self.objective(few)

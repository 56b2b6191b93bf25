"""The trainer of generative models: a model, an objective and data, on the engine that every trainer runs on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from probrl.errors import DataError
from probrl.expr.base import Expr
from probrl.expr.operators import mean, symbols
from probrl.generative.model import Model
from probrl.graph.optimizers import Adam, Optimizer
from probrl.nested import each, parts
from probrl.program import Fit, Minimize, Polyak, Program
from probrl.program.steps import Step
from probrl.training.batches import Batches
from probrl.training.callbacks import Callback
from probrl.training.catalogue import check_hyper_parameters
from probrl.training.dataset import DataSet, Division
from probrl.training.declared import Readings
from probrl.training.kept import fill, take
from probrl.training.measured import Measure, Quality, measure
from probrl.training.minibatches import MinibatchTrainer
from probrl.training.recipe import Recipe
from probrl.training.settings import Settings, nearest, whole_number
from probrl.training.stored import Stored

USUAL = Adam(1e-3)
RUNNING = (
    "seed", "device", "backend", "run", "progress", "threads", "checkpoint_interval", "eval_interval", "tensorboard",
    "plot",
)  # fmt: skip
SAMPLES = 1_000_003  # added to the seed: what is drawn to be looked at disturbs nothing
FORGOTTEN = 5  # averaging times after which the first weights are a hundredth of an average


@dataclass(frozen=True)
class Fitting:
    """How a model is fitted to data.

    Args:
        optimizer: moves the weights; its learning rate may be a formula of ``pr.progress``.
        batch_size: rows per step.
        ema: how much of the average of the weights stays at each step; None keeps no average.
        max_grad_norm: the norm to which a gradient is cut; None cuts nothing.
        log_interval: steps that one row of metrics stands for; ``pr.progress`` moves as often.
        held_out: the share of the data that is kept for comparison and never learned from.

    Errors:
        DataError naming what is out of its range.
    """

    optimizer: Optimizer = USUAL
    batch_size: int = 512
    ema: float | None = 0.999
    max_grad_norm: float | None = None
    log_interval: int = 100
    held_out: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise DataError(f"the optimizer is one of probrl's, as in pr.Adam(1e-3), not {self.optimizer!r}")
        check_hyper_parameters(self)
        if self.ema is not None and not 0 <= self.ema < 1:
            raise DataError(f"ema is None or a share in [0, 1), got {self.ema!r}")
        if not 0 <= self.held_out < 1:
            raise DataError(f"held_out is a share in [0, 1), got {self.held_out!r}")


class GenerativeTrainer(Readings, Stored):
    """Fits a generative model to data, prints what it fits by, measures what came of it, and is saved.

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
        self.algorithm, self.settings = _sorted_out(options, optimizer or USUAL, batch_size, ema)
        kept = options.get("kept") or {}
        self.own = [name for name, part in (("objective", objective), ("optimizer", optimizer)) if part is not None]
        self.recipe = model if isinstance(model, Recipe) else None
        declaration = self.recipe if isinstance(model, Recipe) else model.declaration
        variables, conditions = (("x",), ("c",)) if isinstance(declaration, Recipe) else _names(declaration)
        self.data = None if data is None else DataSet(data, variables, conditions, self.settings.seed)
        self.shapes = {k: tuple(v) for k, v in kept["shapes"].items()} if kept else self._seen()
        self.expected: str | None = kept.get("data_digest")
        self.model: Any = model.made(self.shapes, self.settings.seed) if isinstance(model, Recipe) else model
        self.model.to(self.settings.device)
        self.objective = _objective(objective, self.model)
        self._program = _program(self.objective, self.model, self.algorithm)
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
        """What runs the update, as chosen; None before that."""
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
        """Learns for some more steps; called again, it goes on.

        Args:
            steps: how many minibatches.
            callback: called after every ``log_interval`` steps with this trainer, or several of them; False ends it.

        Errors:
            DataError for a number that is not a positive whole one; NonFiniteError naming the term and the step.
        """
        whole_number("steps", steps)
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
        """What samples are drawn from: the average of the weights, once it has forgotten the first ones."""
        ema = self.algorithm.ema
        return self.model.ema if ema is not None and self.timesteps * (1 - ema) >= FORGOTTEN else self.model

    def sample(self, given: Any = None, **options: Any) -> dict[str, Any]:
        """Draws from :attr:`averaged`, see :meth:`probrl.generative.Model.sample`; the trainer's own generator is used."""
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


def _names(declaration: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(declaration.variables), tuple(declaration.conditions)


def _objective(objective: Any, model: Any) -> Any:
    """The expression or the step that was asked for."""
    if objective is None:
        variables, conditions = _names(model.declaration)
        found = symbols(" ".join([*variables, *conditions]))
        every = found if isinstance(found, tuple | list) else (found,)
        return mean(model(*every[len(variables) :]).matching(*every[: len(variables)]))
    made = objective(model) if callable(objective) and not isinstance(objective, Expr | Step) else objective
    if not isinstance(made, Expr | Step):
        raise DataError(f"the objective is an expression, or a function from the model to one, not {made!r}")
    return made


def _program(objective: Any, model: Any, how: Fitting) -> Program:
    first = objective
    if isinstance(objective, Expr):
        first = Minimize(objective, wrt=model, optimizer=how.optimizer, max_grad_norm=how.max_grad_norm)
    average = [] if how.ema is None else [Polyak(model.ema, tau=round(1 - how.ema, 12))]
    return Program(Fit(first, *average, minibatch=how.batch_size))


def _sorted_out(
    options: dict[str, Any], optimizer: Optimizer, batch_size: int, ema: float | None
) -> tuple[Fitting, Settings]:
    """Options by what they are of.

    Errors:
        DataError for one that is unknown, with the nearest.
    """
    fitting = [f.name for f in dataclasses.fields(Fitting) if f.name not in ("optimizer", "batch_size", "ema")]
    known = [*fitting, *RUNNING]
    for name in options:
        if name not in known and name != "kept":
            raise DataError(f"GenerativeTrainer has no option {name!r}: {nearest(name, known)}")
    own = {name: value for name, value in options.items() if name in fitting}
    running = {"checkpoint_interval": 1000, **{k: v for k, v in options.items() if k in RUNNING}}
    return Fitting(optimizer, batch_size, ema, **own), Settings(**running)

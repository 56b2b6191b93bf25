"""What an agent has done so far, and where that is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from probrl.training.run import Metrics

if TYPE_CHECKING:
    from probrl.training.agent import Agent
    from probrl.training.callbacks import Callback
    from probrl.training.collector import Collector


class Stored:
    """How far an agent is, its run folder, and its way to disk.

    Attributes:
        metrics: the rows of numbers of all learning so far.
        folder: the run folder, or None.
        timesteps: how many steps of the environment it has learned from.
        iteration: how many rollouts it has learned from.
        goal: how many steps there will be when the learning that goes on, or went on last, is over; None before.
        learning: whether it is learning in its run folder.
        saved_as: the files of the checkpoint that it wrote to the run folder, or came from.
        collector: plays the environments that it learned in last.
        callbacks: who was told of its learning last.
        kept: parts of the state of a checkpoint, until they are needed.
    """

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.folder: Path | None = None
        self.timesteps = self.iteration = 0
        self.goal: int | None = None
        self.learning, self.saved_as = False, None  # type: bool, dict[str, str] | None
        self.collector: Collector | None = None
        self.callbacks: list[Callback] = []
        self.kept: dict[str, Any] = {}

    def save(self, path: str | Path, replace: bool = False) -> Path:
        """Writes weights, optimiser, equations and metrics to a folder; an older checkpoint of such a run is replaced.

        Args:
            path: the folder.
            replace: whether a checkpoint of another algorithm, environment or data set may be replaced too.

        Errors:
            CheckpointError if the folder holds something else, which is left as it was.
        """
        from probrl.training import checkpoint

        return checkpoint.save(cast("Agent", self), path, replace)

    def keep_in(self, path: str | Path) -> Path:
        """Makes a new run folder, explains the run in it, and writes metrics there as they come.

        Errors:
            DataError if the folder exists and is not empty.
        """
        from probrl.training import checkpoint, lock, run

        agent, folder = cast("Agent", self), run.new_folder(path)
        with lock.FolderLock(folder):
            run.refuse_used(folder)
            run.explain(folder, checkpoint.configuration(agent), agent.latex(), agent.text())
            self.metrics.keep_in(folder)
        self.folder = folder
        return folder

    def identity(self) -> dict[str, Any]:
        """What it is that learns, in plain types, as a manifest keeps it."""
        from probrl.training import checkpoint

        return checkpoint.identity(cast("Agent", self))

    def hyper_parameters(self) -> dict[str, Any]:
        """The numbers that it learns with, by name."""
        from probrl.training.catalogue import hyper_parameters

        return hyper_parameters(cast("Agent", self).algorithm)

    def evaluating(self) -> Callback:
        """What evaluates while it learns, as often as its settings say."""
        from probrl.training.callbacks import Evaluate

        settings = cast("Agent", self).settings
        assert settings.eval_interval is not None
        return Evaluate(settings.eval_interval, settings.eval_episodes)

    def state(self) -> dict[str, Any]:
        """What else goes on where it stopped, see :mod:`probrl.training.kept`; plain types and tensors."""
        from probrl.training import kept

        return kept.state_of(cast("Agent", self))

    def take_state(self, state: dict[str, Any]) -> None:
        """Goes on where another one stopped."""
        from probrl.training import kept

        kept.take(cast("Agent", self), state)

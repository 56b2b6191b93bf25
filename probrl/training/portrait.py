"""The pictures of a run folder: its equations, and what was measured as curves."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probrl.training.on_policy import OnPolicyTrainer


class Portrait:
    """A callback that draws ``equations.png`` and ``learning_curve.png`` into the run folder when learning ends.

    Without matplotlib (the extra ``plot``) nothing is drawn: the numbers are there all the same.

    Args:
        worth: seconds of learning below which nothing is drawn, because a picture takes one or two.
    """

    def __init__(self, worth: float = 0.0) -> None:
        self.worth = worth

    def __call__(self, trainer: OnPolicyTrainer) -> None:
        """Nothing: it draws at the end."""

    def end(self, trainer: OnPolicyTrainer) -> None:
        """Draws both, the equations only once."""
        agent, row = trainer.agent, trainer.metrics
        if agent.folder is None or row.get("seconds", 0.0) < self.worth or find_spec("matplotlib") is None:
            return
        from probrl.training.plots import learning_curve

        if not (agent.folder / "equations.png").exists():
            agent.png(agent.folder / "equations.png")
        title = f"{agent!r}".replace("'", "")
        learning_curve(agent.metrics.rows, title, agent.folder / "learning_curve.png")

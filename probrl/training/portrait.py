"""The pictures of a run folder: its equations, and what was measured as curves."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

from probrl.training.run import write_atomic

if TYPE_CHECKING:
    from probrl.training.on_policy import OnPolicyTrainer


class Portrait:
    """A callback that draws ``equations.png`` and ``learning_curve.png`` into the run folder when learning ends.

    Without matplotlib (the extra ``plot``) nothing is drawn: the numbers are there all the same. Nor does a picture that
    cannot be written, as on a full disk, end what has learned and is kept: that is said in a warning.

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

        equations, title = agent.folder / "equations.png", f"{agent!r}".replace("'", "")
        try:
            if not equations.exists():
                write_atomic(equations, agent.png())
            learning_curve(agent.metrics.rows, title, agent.folder / "learning_curve.png")
        except OSError as error:
            warnings.warn(f"{str(error.filename)!r} is not drawn: {error.strerror or error}", stacklevel=2)

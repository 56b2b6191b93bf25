"""Steps that hold steps: repeated over minibatches, or run every n-th time."""

from __future__ import annotations

from typing import Any

from probrl.errors import ExpressionError
from probrl.expr.base import Expr, show
from probrl.expr.operators import lift
from probrl.program import checks
from probrl.program.steps import Minimize, Step, Together


class Fit(Step):
    """Steps repeated over shuffled minibatches.

    Rows that do not fill a last minibatch are left out of that epoch (others in the next, by shuffling); where there are
    fewer rows than a minibatch takes, all of them are one.

    Args:
        steps: what is repeated.
        epochs: how often all data is gone through: a number or a formula of scalars.
        minibatch: how many units at a time; None takes all data at once.
        unit: "row" shuffles single rows (all data axes become one), "episode" whole entries of ``batch``.
        stop: a condition; once it holds on a minibatch, nothing moves until the Fit ends, that minibatch's update included.

    Example:
        >>> import torch, probrl as pr
        >>> m = pr.parameter("m", 0.0)
        >>> step = pr.Minimize(pr.mean((pr.symbols("x") - m) ** 2), wrt=m, optimizer=pr.SGD(0.1))
        >>> metrics = pr.Fit(step, epochs=2, minibatch=2).compile(backend="eager")({"x": torch.ones(5)})
        >>> f"{m({}):.4f}"  # two minibatches an epoch: 1 - 0.8 ** 4
        '0.5904'
    """

    def __init__(
        self, *steps: Step, epochs: Any = 1, minibatch: int | None = None, unit: str = "row", stop: Any = None
    ):
        if not steps:
            raise ExpressionError("pr.Fit(...) needs at least one step")
        if unit not in ("row", "episode"):
            raise ExpressionError(f"pr.Fit(unit={unit!r}): the unit is 'row' or 'episode'")
        for step in steps:
            checks.is_step(step, "pr.Fit")
        if isinstance(epochs, Expr):
            checks.is_number(epochs, "pr.Fit(epochs=...)")
        else:
            checks.is_count(epochs, "pr.Fit(epochs=...)")
        if minibatch is not None:
            checks.is_count(minibatch, "pr.Fit(minibatch=...)")
        self._steps, self.epochs, self.minibatch, self.unit = steps, epochs, minibatch, unit
        self.stop = None if stop is None else lift(stop)
        if self.stop is not None:
            checks.is_number(self.stop, "pr.Fit(stop=...)")
            if not any(isinstance(s, (Minimize, Together)) for s in steps):
                raise ExpressionError(
                    f"pr.Fit(stop={show(self.stop)}): nothing right inside it is minimised, so nothing would stop; give the stop to the pr.Fit "
                    "that holds the pr.Minimize"
                )
        if minibatch is not None:
            checks.one_source(self)
            if unit == "row":
                checks.runs_on_rows(self)

    @property
    def steps(self) -> tuple[Step, ...]:
        return self._steps

    def expressions(self) -> dict[str, Expr]:
        found = {"epochs": self.epochs} if isinstance(self.epochs, Expr) else {}
        return found if self.stop is None else {**found, "stop": self.stop}


class Every(Step):
    """Steps that run only every n-th time they are reached.

    Example:
        >>> import probrl as pr
        >>> pr.Every(100, pr.Report(size=pr.mean(pr.symbols("x")))).text().splitlines()
        ['every 100 times:', 'report size:  mean_𝒟[x]', 'end']
    """

    def __init__(self, n: int, *steps: Step):
        if not steps:
            raise ExpressionError("pr.Every(n, step, ...): at least one step")
        checks.is_count(n, "pr.Every(n, ...)")
        for step in steps:
            checks.is_step(step, "pr.Every")
        self.n, self._steps = n, steps

    @property
    def steps(self) -> tuple[Step, ...]:
        return self._steps

"""What a generative trainer minimises, and the program that does."""

from __future__ import annotations

from typing import Any

from probrl.errors import DataError
from probrl.expr.base import Expr
from probrl.expr.operators import mean, symbols
from probrl.program import Fit, Minimize, Polyak, Program
from probrl.program.steps import Step
from probrl.training.fitted import Fitting


def names_of(declaration: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The variables and the conditions of a declaration."""
    return tuple(declaration.variables), tuple(declaration.conditions)


def objective_of(objective: Any, model: Any) -> Any:
    """The expression or the step that was asked for."""
    if objective is None:
        variables, conditions = names_of(model.declaration)
        found = symbols(" ".join([*variables, *conditions]))
        every = found if isinstance(found, tuple | list) else (found,)
        return mean(model(*every[len(variables) :]).matching(*every[: len(variables)]))
    made = objective(model) if callable(objective) and not isinstance(objective, Expr | Step) else objective
    if not isinstance(made, Expr | Step):
        raise DataError(f"the objective is an expression, or a function from the model to one, not {made!r}")
    return made


def program_of(objective: Any, model: Any, how: Fitting) -> Program:
    """The objective over shuffled minibatches, and after each the average of the weights."""
    first = objective
    if isinstance(objective, Expr):
        first = Minimize(objective, wrt=model, optimizer=how.optimizer, max_grad_norm=how.max_grad_norm)
    average = [] if how.ema is None else [Polyak(model.ema, tau=round(1 - how.ema, 12))]
    return Program(Fit(first, *average, minibatch=how.batch_size))

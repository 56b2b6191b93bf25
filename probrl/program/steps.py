"""The steps of a program, as declared: what is minimised, prepared, repeated, moved and reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.operators import lift
from probrl.graph.optimizers import Adam, Optimizer
from probrl.program import checks
from probrl.program.wrt import Moved, moved_by


class Step:
    """Base of the steps: a step reads expressions, by name, and holds other steps.

    A step is a program of its own: ``compile``, ``latex`` and the other readings work on it directly.
    """

    def expressions(self) -> dict[str, Expr]:
        """What the step reads, by a name that is unique in it."""
        return {}

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps inside."""
        return ()

    def walk(self) -> Iterator[Step]:
        """This step and all inside it, in order."""
        yield self
        for step in self.steps:
            yield from step.walk()

    def program(self) -> Any:
        """The step as a program."""
        from probrl.program.program import Program

        return Program(self)

    def compile(self, backend: str = "auto", seed: int | None = None, updates: int | None = None) -> Any:
        """The step as an update that runs: ``metrics = step.compile()(batch)``; see :meth:`Program.compile`."""
        return self.program().compile(backend, seed, updates)

    def __getattr__(self, name: str) -> Any:
        if name in (
            "latex",
            "print_latex",
            "text",
            "png",
            "gradients",
            "digest",
            "code",
            "check",
            "metrics",
            "_repr_latex_",
        ):
            whole = self.program()
            if whole is not self:  # a program's own reading that failed is not asked for again
                return getattr(whole, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


class Minimize(Step):
    """One step of an optimiser down the gradient of a loss.

    What the loss reaches outside ``wrt`` is held still. The update is refused, and the metric ``finite`` is 0, when
    the loss or the gradient is not finite.

    Args:
        loss: a number: everything is reduced.
        wrt: what moves: a distribution, module or scalar parameter, a list of them, or a dict from them to optimisers.
        optimizer: the rule, for what has none of its own.
        max_grad_norm: the bound on the global norm of the gradient over all of ``wrt``: a number, a formula, or None.

    Errors:
        ExpressionError: when the loss is no number, does not reach ``wrt``, or reaches it only through a draw that
            passes no gradient.

    Example:
        >>> import torch, probrl as pr
        >>> x, y = pr.symbols("x y")
        >>> f = pr.Deterministic("f | x", pr.mlp(3, 8, 1))
        >>> step = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f).compile(backend="eager")
        >>> sorted(step({"x": torch.randn(5, 3), "y": torch.randn(5)}))
        ['finite', 'grad_norm', 'loss']
    """

    sign = 1.0
    verb = "minimize"

    def __init__(self, loss: Any, wrt: Any, optimizer: Optimizer | None = None, max_grad_norm: Any = None):
        self.loss = lift(loss)
        self.optimizer = optimizer or Adam(3e-4)
        self.wrt: tuple[Moved, ...] = moved_by(wrt, self.optimizer)
        self.max_grad_norm = max_grad_norm
        verb = f"pr.{type(self).__name__}"
        checks.is_number(self.loss, verb)
        for moved in self.wrt:
            checks.is_amount(
                moved.optimizer.lr, f"{verb}(optimizer=pr.{type(moved.optimizer).__name__}(lr=...))", zero=True
            )
        if max_grad_norm is not None:
            checks.is_amount(max_grad_norm, f"{verb}(max_grad_norm=...)")
        checks.reaches(self.loss, self.wrt)

    def expressions(self) -> dict[str, Expr]:
        found = {"loss": self.loss}
        found.update({f"lr:{i}": m.optimizer.lr for i, m in enumerate(self.wrt) if isinstance(m.optimizer.lr, Expr)})
        if isinstance(self.max_grad_norm, Expr):
            found["norm"] = self.max_grad_norm
        return found


class Maximize(Minimize):
    """One step of an optimiser up the gradient of an objective; see :class:`Minimize`."""

    sign = -1.0
    verb = "maximize"


class Together(Step):
    """Several ``Minimize`` whose losses are all evaluated at the same parameters; their ``wrt`` must not overlap."""

    def __init__(self, *steps: Minimize):
        if not steps or not all(isinstance(s, Minimize) for s in steps):
            raise ExpressionError("pr.Together(...) takes pr.Minimize and pr.Maximize steps")
        seen: dict[int, str] = {}
        for step in steps:
            for moved in step.wrt:
                for p in moved.parameters:
                    if id(p) in seen:
                        raise ExpressionError(
                            f"pr.Together: two of its steps move {moved.name}; put them in one loss, or one after the other"
                        )
                    seen[id(p)] = moved.name
        self._steps = steps

    @property
    def steps(self) -> tuple[Step, ...]:
        return self._steps


class Prepare(Step):
    """Columns computed without gradient, on all data of the scope, before the following steps.

    Unpacks into the symbols of the new columns: ``A, R = pr.Prepare(A=gae, R=gae + V(s))``.

    Args:
        columns: the formulas, by the name of the column.

    Example:
        >>> import probrl as pr
        >>> r, gamma = pr.symbols("r"), pr.constant("gamma", 0.9)
        >>> (R,) = prepare = pr.Prepare(R=gamma * r)
        >>> print(R)
        R
    """

    def __init__(self, **columns: Any):
        if not columns:
            raise ExpressionError("pr.Prepare(A=...) needs at least one column")
        self.columns = {name: lift(x) for name, x in columns.items()}
        for name, x in self.columns.items():
            if not x.type.data:
                raise ExpressionError(
                    f"pr.Prepare({name}={show(x)}): a column has one value per row, and this has no data axis; write it where it is used"
                )

    def expressions(self) -> dict[str, Expr]:
        return dict(self.columns)

    def symbol(self, name: str) -> Expr:
        """The symbol of a new column."""
        t = self.columns[name].type
        ordered = (*t.data, *t.index)
        return n.Symbol(name, t.rank, ordered, None)

    def __iter__(self) -> Iterator[Expr]:
        return iter([self.symbol(name) for name in self.columns])

    def __getitem__(self, name: str) -> Expr:
        return self.symbol(name)


class Report(Step):
    """Values that are logged as metrics and not trained on.

    Right after an update a report reads the values that this update computed, before it moved anything; elsewhere it
    evaluates on its own.

    Args:
        values: the formulas by name; a pair is a formula and a phrase that says what it means, see
            :attr:`Program.metrics`.

    Example:
        >>> import torch, probrl as pr
        >>> pr.Report(size=pr.mean(pr.symbols("x") ** 2)).compile(backend="eager")({"x": torch.tensor([1.0, 3.0])})
        {'size': tensor(5.)}
    """

    def __init__(self, **values: Any):
        if not values:
            raise ExpressionError("pr.Report(kl=...) needs at least one value")
        self.meanings = {name: x[1] for name, x in values.items() if isinstance(x, tuple)}
        values = {name: x[0] if isinstance(x, tuple) else x for name, x in values.items()}
        taken = [name for name in values if name in ("loss", "grad_norm", "finite", "stop")]
        if taken:
            raise ExpressionError(
                f"pr.Report({taken[0]}=...): an update says '{taken[0]}' of itself among the metrics; report under another name"
            )
        self.values = {name: lift(x) for name, x in values.items()}

    def expressions(self) -> dict[str, Expr]:
        return dict(self.values)


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

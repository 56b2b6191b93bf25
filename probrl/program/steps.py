"""The steps of a program, as declared: what is minimised, prepared, moved and reported."""

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
    """One step of an optimiser up the gradient of an objective; see :class:`Minimize`.

    Example:
        >>> import probrl as pr
        >>> m = pr.parameter("m", 0.0)
        >>> metrics = pr.Maximize(-((m - 3) ** 2), wrt=m, optimizer=pr.SGD(0.5)).compile(backend="eager")({})
        >>> m({}).item()
        3.0
    """

    sign = -1.0
    verb = "maximize"


class Together(Step):
    """Several ``Minimize`` whose losses are all evaluated at the same parameters; their ``wrt`` must not overlap.

    Example:
        >>> import probrl as pr
        >>> x, y, half = pr.parameter("x", 1.0), pr.parameter("y", 1.0), pr.SGD(0.5)
        >>> game = pr.Together(pr.Minimize(x * y, wrt=x, optimizer=half), pr.Maximize(x * y, wrt=y, optimizer=half))
        >>> metrics = game.compile(backend="eager")({})
        >>> x({}).item(), y({}).item()
        (0.5, 1.5)
    """

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

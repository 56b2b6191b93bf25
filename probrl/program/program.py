"""A program: steps in order, checked together, printed together, compiled as one update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import nn

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, read, show
from probrl.expr.ranks import settle
from probrl.expr.state import COPIED, Cell, Network
from probrl.expr.traversal import executed, walk
from probrl.graph.batch import has_ends, masks_of_next, without_idle_rows
from probrl.program import checks
from probrl.program.builder import Builder
from probrl.program.moves import Assign, Move
from probrl.program.run import read_columns
from probrl.program.steps import Minimize, Prepare, Step
from probrl.program.terms import terms
from probrl.program.update import Update, chosen, compiler, unfit


class Program(Step):
    """Steps that run in order and see what earlier ones wrote.

    Noise is fixed for one run (for one minibatch, inside a Fit); values are recomputed from current parameters.

    Args:
        steps: what is done.
        act: the acting rule, an expression read on an observation, or None.

    Errors:
        ExpressionError: when a symbol is used in two ways, or a role is read that no step moves.

    Example:
        >>> import torch, probrl as pr
        >>> s, R = pr.symbols("s R")
        >>> V = pr.Deterministic("v | s", pr.mlp(3, 1), name="V")
        >>> error = ((V(s) - R) ** 2).named("error")
        >>> program = pr.Program(pr.Minimize(pr.mean(error), wrt=V), pr.Report(size=pr.mean(V(s) ** 2)))
        >>> update = program.compile(backend="eager")
        >>> sorted(update({"s": torch.zeros(4, 3), "R": torch.ones(4)}))
        ['error', 'finite', 'grad_norm', 'loss', 'size']
    """

    def __init__(self, *steps: Step, act: Any = None):
        if not steps:
            raise ExpressionError("pr.Program(...) needs at least one step")
        for step in steps:
            if not isinstance(step, Step):
                raise ExpressionError(
                    f"pr.Program takes steps (pr.Minimize, pr.Prepare, ...), not {show(step) if isinstance(step, Expr) else repr(step)}; a loss is minimised: pr.Minimize(loss, wrt=pi)"
                )
        self._steps, self.act = steps, act
        self._settled = self._settle()
        checks.roles_are_moved(self.walk())

    @property
    def steps(self) -> tuple[Step, ...]:
        return self._steps

    def program(self) -> Program:
        return self

    def walk(self) -> Iterator[Step]:
        for step in self._steps:
            yield from step.walk()

    def _settle(self) -> dict[Expr, Expr]:
        """Every expression of every step, with the ranks that they say of each other's symbols."""
        found = [x for step in self.walk() for x in self._read(step)]
        for x in found:
            checks.is_closed(x)
        prepared: dict[str, Step] = {}
        for step in self.walk():
            if isinstance(step, Prepare):
                for name in step.columns:
                    if name in prepared and prepared[name] is not step:
                        raise ExpressionError(
                            f"pr.Prepare({name}=...): '{name}' is prepared twice; name the second one otherwise"
                        )
                    prepared[name] = step
        return dict(zip(found, settle(*found), strict=True))

    @staticmethod
    def _read(step: Step) -> list[Expr]:
        named = terms(step.loss).values() if isinstance(step, Minimize) else ()
        return [*step.expressions().values(), *named]

    def settled(self, x: Any) -> Any:
        """An expression of a step as the whole program settles it; numbers pass."""
        return self._settled.get(x, x) if isinstance(x, Expr) else x

    # --- what it is made of ------------------------------------------------------------------------------------
    @property
    def expressions_(self) -> list[Expr]:
        """All expressions, in order."""
        return [self.settled(x) for step in self.walk() for x in step.expressions().values()]

    @property
    def networks(self) -> list[Network]:
        """The networks that it runs, in order of occurrence."""
        calls = (x.net for x in walk(*self.expressions_, through=executed) if isinstance(x, n.Call))
        return list(dict.fromkeys(calls))

    @property
    def roles(self) -> list[tuple[Network, str]]:
        """The networks in the roles in which they run or are moved."""
        found = dict.fromkeys(
            (x.net, x.role) for x in walk(*self.expressions_, through=executed) if isinstance(x, n.Call)
        )
        found.update(dict.fromkeys((net, s.role) for s in self.walk() if isinstance(s, Move) for net in s.networks))
        return list(found)

    @property
    def cells(self) -> list[Cell]:
        """The scalars that it learns or assigns, in order of occurrence."""
        found = dict.fromkeys(x.cell for x in walk(*self.expressions_, through=executed) if isinstance(x, n.State))
        for step in self.walk():
            if isinstance(step, Assign):
                found.setdefault(step.state.cell)
        return [c for c in found if c.kind in ("parameter", "state")]

    @cached_property
    def columns(self) -> dict[str, n.Symbol]:
        """The columns that a batch must have."""
        made = {name for step in self.walk() if isinstance(step, Prepare) for name in step.columns}
        return {name: s for name, s in read_columns(self.expressions_).items() if name not in made}

    def admitted(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The columns as the steps see them: rows that do not count are zero, unless ``pr.next`` reads them.

        Errors:
            DataError: when an episode has no last row for ``pr.next`` to read.
        """
        has_ends(columns, self.looks_ahead)
        return without_idle_rows(columns, self.columns, self.looks_ahead)

    @cached_property
    def looks_ahead(self) -> list[str]:
        """The masks of the axes along which a formula reads the row after."""
        return masks_of_next(self.expressions_)

    # --- running -----------------------------------------------------------------------------------------------
    def compile(self, backend: str = "auto", seed: int | None = None, updates: int | None = None) -> Update:
        """The program as one update: ``metrics = update(batch)``, in place on the modules' own parameters.

        Args:
            backend: "eager", "inductor", or "auto", which chooses by a fixed rule and says what it chose.
            seed: of the program's generator, from which all noise and shuffling comes; None takes one from torch's.
            updates: how many updates are planned, for "auto".
        """
        modules = {getattr(net.owner, "notation", None) or net.name: net.module for net in self.networks}
        parameters = [p for m in modules.values() if isinstance(m, nn.Module) for p in m.parameters()]
        device = parameters[0].device if parameters else torch.device("cpu")
        self._place(device)
        for net, role in self.roles:
            if role in COPIED:
                net.tensors(role)  # every copy starts now, from the live parameters as they are
        backend, reason = chosen(backend, device, updates, unfit(modules))
        builder = Builder(self, compiler(backend, modules))
        runner = builder.sequence(self._steps, flat=False, stop=None)
        seed = int(torch.randint(0, 2**31, ())) if seed is None else seed
        return Update(self, runner, backend, reason, device, seed)

    def _place(self, device: torch.device) -> None:
        from probrl.graph.cells import tensor_of

        for cell in self.cells:
            tensor = tensor_of(cell)
            if tensor.device != device:
                tensor.data = tensor.data.to(device)

    # --- readings ----------------------------------------------------------------------------------------------
    def latex(self, **options: Any) -> str:
        """The whole algorithm as aligned equations, with where-lines and a legend."""
        return str(read("program_latex", self, **options))

    def print_latex(self, **options: Any) -> None:
        """Prints the LaTeX; rendered in a notebook."""
        read("program_print_latex", self, **options)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def text(self, **options: Any) -> str:
        """The whole algorithm as unicode text."""
        return str(read("program_text", self, **options))

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def png(self, path: Any = None, **options: Any) -> Any:
        """The whole algorithm as a picture."""
        return read("program_png", self, path, **options)

    def gradients(self, **options: Any) -> Any:
        """Which term moves which parameters, and what is held still, for every update."""
        return read("program_gradients", self, **options)

    def check(self, batch: Mapping[str, Any], **options: Any) -> Any:
        """Verifies on a batch that every printed formula equals the executed graph, in value and gradient."""
        return read("program_check", self, batch, **options)

    @property
    def metrics(self) -> dict[str, str]:
        """The names of what an update gives, each with what it means: the phrases of ``named`` and of ``Report``."""
        return dict(read("program_metrics", self))

    @property
    def digest(self) -> str:
        """A hash of the canonical program: renaming keeps it, changing an operator changes it."""
        return str(read("program_digest", self))

    @property
    def code(self) -> str:
        """The source of the program's graphs: readable, and runnable on its own."""
        return str(read("program_code", self))

"""What can be asked of a generative model, as definitions over its path and its network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from probrl.distributions.heads import Draw, LogProb, Source
from probrl.expr.base import Expr
from probrl.expr.definition import Asked, Density, Drawn, Functional, Notation
from probrl.generative import integration


@dataclass(frozen=True)
class Predicted(Source):
    """The score, noise, data or velocity of a model at (x_t, t): its network's prediction, converted by its path."""

    quantity: str
    null: bool = False  # whether the conditions are dropped
    whole: bool = False  # whether the event is given as a vector

    @property
    def name(self) -> str:  # type: ignore[override]
        """What is predicted."""
        return self.quantity

    def body(self, *args: Expr) -> Expr:
        return self.dist.predicted(self, args[0], args[1], args[2:])

    def notation(self, *args: Expr) -> Notation:
        given = self.density(None, args[2:])
        return Asked(
            self.quantity, Density(given.name, given.role, None, () if self.null else given.given, given.held), args[:2]
        )

    def declares(self, *args: Expr) -> Iterable[tuple[Expr, int]]:
        return ((args[0], self.dist.state_rank), (args[1], 0))

    def timed(self, *args: Expr) -> Iterable[Expr]:
        return (args[1],)


@dataclass(frozen=True)
class Matching(Source):
    """A model's error at a noised value: w(t) |prediction - target|^2, one number per row."""

    count: int = 1
    weight: str = ""
    extra: tuple[str, ...] = ("t", "e")  # what is given between the values and the conditions

    name = "matching"

    def body(self, *args: Expr) -> Expr:
        values, extra, given = self.parts(args)
        return self.dist.matched(self, values, dict(zip(self.extra, extra, strict=True)), given)

    def notation(self, *args: Expr) -> Notation:
        values, extra, given = self.parts(args)
        return Asked(f"{self.weight} matching", self.density(None, given), (*values, *extra))

    def parts(self, args: tuple[Expr, ...]) -> tuple[tuple[Expr, ...], tuple[Expr, ...], tuple[Expr, ...]]:
        """The values, what is given between, and the conditions."""
        first, last = self.count, self.count + len(self.extra)
        return args[:first], args[first:last], args[last:]

    def declares(self, *args: Expr) -> Iterable[tuple[Expr, int]]:
        return zip(args[: self.count], self.dist.ranks, strict=True)

    def timed(self, *args: Expr) -> Iterable[Expr]:
        named = zip(self.extra, self.parts(args)[1], strict=True)
        return tuple(x for name, x in named if name in ("t", "t_next", "r"))


@dataclass(frozen=True)
class Solved(Draw):
    """A value that a solver brings from noise to data; its noises, if any, stand first among the arguments."""

    solver: Any = None
    times: tuple[float, ...] = ()
    started: bool = False
    position: int = 0

    def body(self, *args: Expr) -> Expr:
        noises, rest = args[: self.noises], args[self.noises :]
        start, given = (rest[0], rest[1:]) if self.started else (None, rest)
        x = integration.ends(self, noises, start, given)
        return self.dist.value(x, self.position)

    def density(self, values: tuple[Expr, ...] | None, given: tuple[Expr, ...]) -> Density:
        found = super().density(values, given)
        return Density(found.name, found.role, found.values, found.given, found.held, self.said)

    @property
    def said(self) -> str:
        """The solver, for a page."""
        own = self.times and self.times != self.dist.times(self.solver)
        return self.solver.said + (f", own grid of {len(self.times) - 1}" if own else "")

    def notation(self, *args: Expr) -> Notation:
        given = args[self.noises + self.started :]
        if not self.noises:
            return Asked("flow", self.density(None, given), (args[0],))
        return Drawn(self.dist.declaration.variables[self.position], self.density(None, given), self.uid(args))

    def declares(self, *args: Expr) -> Iterable[tuple[Expr, int]]:
        return ((args[self.noises], self.dist.state_rank),) if self.started else ()


@dataclass(frozen=True)
class FlowLogProb(LogProb):
    """The logarithm of a model's density, by the probability flow; a probe, if any, stands first."""

    solver: Any = None
    times: tuple[float, ...] = ()
    leaps: bool = False
    probes: int = 0

    def body(self, *args: Expr) -> Expr:
        probe, args = (args[0], args[1:]) if self.probes else (None, args)
        return integration.log_density(self, args[: self.count], args[self.count :], probe)

    def notation(self, *args: Expr) -> Notation:
        args = args[1:] if self.probes else args
        found = self.density(args[: self.count], args[self.count :])
        return Functional("log", (Density(found.name, found.role, found.values, found.given, found.held, self.said),))

    @property
    def said(self) -> str:
        """The solver and the divergence, for a page."""
        return self.solver.said + (f", {self.probes} probes" if self.probes else "")

    def declares(self, *args: Expr) -> Iterable[tuple[Expr, int]]:
        return super().declares(*(args[1:] if self.probes else args))

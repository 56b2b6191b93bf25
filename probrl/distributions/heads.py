"""What can be asked of a distribution, as definitions: printed as the field writes it, run as the family's formula."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr, show
from probrl.expr.definition import Density, Drawn, Functional, Head, Letter, Notation
from probrl.expr.operators import exp


@dataclass(frozen=True)
class Source(Head):
    """A distribution in a role: the common part of what can be asked of it.

    Args:
        dist: the distribution that owns the parameters.
        role: whose parameters are meant, "live" or one of the roles.
        held: whether its parameters pass no gradient.
    """

    dist: Any
    role: str
    held: bool

    def parameters(self, given: tuple[Expr, ...]) -> dict[str, Expr]:
        """The parameters of the family at the conditions."""
        found: dict[str, Expr] = self.dist.parameters_of(self.role, given, self.held)
        return found

    def density(self, values: tuple[Expr, ...] | None, given: tuple[Expr, ...]) -> Density:
        """The notation of the distribution itself."""
        return Density(self.dist.notation, self.role, values, given, self.held)


@dataclass(frozen=True)
class LogProb(Source):
    """The logarithm of the density (or of the probability) of values."""

    count: int = 1

    @property
    def name(self) -> str:  # type: ignore[override]
        """Whose log-probability, for messages."""
        return f"{self.dist.notation}.log_prob"

    def body(self, *args: Expr) -> Expr:
        values, given = args[: self.count], args[self.count :]
        if self.role == "behavior" and all(isinstance(v, n.Symbol) and v.depth is None for v in values):
            return n.Symbol(f"{self.dist.variable}_log_prob", 0, data_axes(*args), None)
        return self.dist.log_density(*values, **self.parameters(given))

    def notation(self, *args: Expr) -> Notation:
        return Functional("log", (self.density(args[: self.count], args[self.count :]),))

    def declares(self, *args: Expr) -> Iterable[tuple[Expr, int]]:
        return zip(args[: self.count], self.dist.ranks, strict=True)

    def compared(self, args: tuple[Expr, ...], other: Head, others: tuple[Expr, ...]) -> None:
        if not isinstance(other, LogProb) or args[: self.count] != others[: other.count]:
            return
        ours, theirs = self.dist, other.dist
        if ours.support != theirs.support:
            raise ExpressionError(
                f"the densities {ours.notation} and {theirs.notation} of "
                f"{', '.join(map(show, args[: self.count]))} have no ratio: "
                f"{ours.notation} is {ours.article} on {ours.support}, {theirs.notation} {theirs.article} on "
                f"{theirs.support}; "
                "compare distributions of one family of values"
            )


@dataclass(frozen=True)
class Prob(LogProb):
    """The density (or the probability) of values."""

    def body(self, *args: Expr) -> Expr:
        return exp(n.Definition(LogProb(self.dist, self.role, self.held, self.count), args))

    def notation(self, *args: Expr) -> Notation:
        return self.density(args[: self.count], args[self.count :])


@dataclass(frozen=True)
class Moment(Source):
    """A functional of one distribution: "entropy", "mean", "variance" or "mode"."""

    op: str = "mean"
    index: int = 0

    @property
    def name(self) -> str:  # type: ignore[override]
        """What is asked."""
        return self.op

    def body(self, *args: Expr) -> Expr:
        return getattr(self.dist, f"{self.op}_of")(**self.parameters(args))

    def notation(self, *args: Expr) -> Notation:
        letters = {"entropy": "H", "mean": "E", "variance": "Var", "mode": "mode"}
        return Functional(letters[self.op], (self.density(None, args),))


@dataclass(frozen=True)
class Divergence(Head):
    """The Kullback-Leibler divergence of one distribution from another of the same family."""

    p: Source
    q: Source
    count: int
    name = "kl"

    def body(self, *args: Expr) -> Expr:
        p, q = self.p.parameters(args[: self.count]), self.q.parameters(args[self.count :])
        return self.p.dist.divergence(p, q)

    def notation(self, *args: Expr) -> Notation:
        return Functional("KL", (self.p.density(None, args[: self.count]), self.q.density(None, args[self.count :])))


@dataclass(frozen=True)
class Value(Head):
    """A draw as a value and nothing more: what it was made of is not looked at."""

    name: str

    def body(self, *args: Expr) -> Expr:
        return args[0]

    def notation(self, *args: Expr) -> Notation:
        return Letter(self.name)


@dataclass(frozen=True)
class Draw(Source):
    """A value drawn from a distribution: a formula over fresh noise, which stands first among the arguments."""

    name = "draw"
    gradient: str | None = None
    noises: int = 1

    def body(self, *args: Expr) -> Expr:
        noises, given = args[: self.noises], args[self.noises :]
        return self.dist.transform(noises, self.parameters(given), self.gradient)

    def notation(self, *args: Expr) -> Notation:
        return Drawn(self.dist.variable, self.density(None, args[self.noises :]), self.uid(args))

    def uid(self, args: tuple[Expr, ...]) -> int:
        """The identity of the draw: that of its noise."""
        first = args[0]
        assert isinstance(first, n.Noise)
        return first.uid

    def cut(self, node: Expr) -> Expr:
        return n.Definition(Value(self.dist.variable), (node,)) if self.dist.seen_through else node

    @property
    def reparameterised(self) -> bool:
        """Whether gradients pass from the value to the parameters."""
        return bool(self.dist.reparameterised or self.gradient)


def data_axes(*exprs: Expr) -> tuple[Axis, ...]:
    """The data axes that expressions have together."""
    found: dict[str, Axis] = {}
    for x in sorted(exprs, key=lambda e: -len(e.type.data)):
        found.update({a.name: a for a in x.type.data if a.name not in found})
    return tuple(found.values())


def drawn_from(x: Expr, family: type) -> tuple[Draw, tuple[Expr, ...]] | None:
    """The head and arguments of a draw of a family's, or None when the expression is something else."""
    if isinstance(x, n.Definition) and isinstance(x.head, Draw) and isinstance(x.head.dist, family):
        return x.head, x.args
    return None

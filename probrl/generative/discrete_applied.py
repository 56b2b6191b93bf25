"""A discrete flow at given conditions: asked for its loss, for guesses and for draws."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from probrl.distributions.applied import Applied
from probrl.distributions.conditional import row_of
from probrl.distributions.heads import Draw, Source
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import index_axis
from probrl.expr.base import Expr
from probrl.expr.definition import Asked, Density, Drawn, Notation
from probrl.expr.operators import clip, fresh_noise, lift, softmax, to_axis, to_event, where
from probrl.generative import times
from probrl.generative.applied import ranked, timed
from probrl.generative.conditioned import size
from probrl.generative.heads import Matching
from probrl.generative.pieces import event_like, flat, shaped

WEIGHTS = ("uniform", "likelihood")


class AppliedDiscrete(Applied):
    """A discrete flow at given conditions."""

    __slots__ = ()

    def matching(self, x: Any, t: Any = None, u: Any = None, weight: str | None = None, law: str | None = None) -> Expr:
        """The weighted cross-entropy of masked tokens: a scalar per row.

        Args:
            x: the tokens.
            t: the time, in place of a fresh one.
            u: which tokens are seen: those whose number is below alpha(t); in place of fresh uniform ones.
            weight: see :class:`DiscreteFlow`.
            law: of the time, see :class:`DiscreteFlow`.
        """
        dist = self.dist
        if weight not in (None, *WEIGHTS):
            raise ExpressionError(f"weight={weight!r}: a discrete flow weights by {' or '.join(map(repr, WEIGHTS))}")
        (x,) = dist.values_of(self, (ranked(x, dist.rank),), {})
        if t is None:
            t, _ = times.drawn(law or dist.law, dist.path, (1e-4, 1.0), x, dist.laws)
        if u is None:
            u = fresh_noise("uniform", event_like(row_of(x), (size(dist.shape),)))
        extra = {"t": timed(t, self), "u": ranked(u, 1)}
        if dist.drop:
            extra["keep"] = fresh_noise("uniform", row_of(x)) >= dist.drop
        head = Matching(dist, self.role, self.is_held, 1, weight or dist.weight, tuple(extra))
        return n.Definition(head, (x, *extra.values(), *self.args))

    def data(self, x_t: Any, t: Any) -> Expr:
        """The probabilities of every token's class, along the axes ``token`` and ``class``."""
        head = Guessed(self.dist, self.role, self.is_held)
        return n.Definition(head, (ranked(x_t, self.dist.rank), timed(t, self), *self.args))

    def draw(
        self, count: int | None = None, axis: str | None = None, *, per: Any = None, gradient: str | None = None,
        solver: Any = None, steps: int | None = None,
    ) -> Expr:  # fmt: skip
        """Tokens drawn one after another; no gradient passes to the network."""
        dist = self.dist
        if gradient is not None:
            raise ExpressionError(
                f"{self!r}.draw(gradient={gradient!r}): no gradient passes through the choice of tokens"
            )
        if (count is None) != (axis is None):
            raise ExpressionError(
                f"{self!r}.draw(16, 'k'): the number of draws and the name of the new axis go together"
            )
        found = dist.solver_of(solver, steps)
        rows = lift(per) if per is not None else row_of(*self.args) if self.args else lift(1.0)
        extra = () if axis is None or count is None else ((index_axis(axis), int(count)),)
        each = (*extra, (index_axis("step"), found.steps))
        tokens = size(dist.shape)
        noises = [
            fresh_noise(law, event_like(rows, shape), each)
            for law, shape in (("uniform", (tokens,)), ("gumbel", (tokens, dist.classes)))
        ]
        return n.Definition(Unmasked(dist, self.role, self.is_held, None, 2, found), (*noises, *self.args))

    def log_prob(self, *values: Any, **options: Any) -> Expr:
        """Refused, with the bound to use."""
        return self.dist._no_density()

    prob = log_prob

    def _refused(self, what: str) -> Any:
        raise ExpressionError(
            f"{self!r}.{what}: tokens do not move, so they have no {what}; ask for .data(x_t, t), the probabilities of the classes"
        )

    def score(self, x_t: Any, t: Any) -> Expr:
        """Refused: tokens have no score."""
        return self._refused("score")

    def noise(self, x_t: Any, t: Any) -> Expr:
        """Refused: tokens have no noise."""
        return self._refused("noise")

    def velocity(self, x_t: Any, t: Any) -> Expr:
        """Refused: tokens have no velocity."""
        return self._refused("velocity")

    def kernel(self, *args: Any, **options: Any) -> Any:
        """Refused: tokens have no normal transitions."""
        return self._refused("kernel")

    def chain(self, *args: Any, **options: Any) -> Any:
        """Refused: tokens have no chain of normal transitions."""
        return self._refused("chain")


@dataclass(frozen=True)
class Guessed(Source):
    """The probabilities of the classes of every token."""

    name = "data"

    def body(self, *args: Expr) -> Expr:
        x = flat(args[0], self.dist.shape)
        return softmax(self.dist.logits(self.role, self.held, x, args[1], args[2:]), "class")

    def notation(self, *args: Expr) -> Notation:
        return Asked("data", self.density(None, args[2:]), args[:2])

    def timed(self, *args: Expr) -> Iterable[Expr]:
        return (args[1],)


@dataclass(frozen=True)
class Unmasked(Draw):
    """Tokens that are seen one after another."""

    solver: Any = None

    def body(self, *args: Expr) -> Expr:
        (u, g), given = args[:2], args[2:]
        mask = self.dist.classes
        at, chances = self.dist.chances(self.solver)
        x = mask + 0 * to_axis(n.At(u, "step", n.Number(0, None)), "token")
        for k, chance in enumerate(chances):
            here = n.Number(k, None)
            noise = to_axis(to_axis(n.At(g, "step", here), "class"), "token")
            logits = self.dist.logits(self.role, self.held, to_event(x, "token"), n.Number(float(at[k]), None), given)
            chosen = (to_axis(n.At(u, "step", here), "token") < float(chance)) * (x >= mask)
            x = where(chosen, (logits + noise).argmax("class"), x)
        return shaped(clip(to_event(x, "token"), 0, mask), self.dist.shape)

    def notation(self, *args: Expr) -> Notation:
        given = self.density(None, args[2:])
        how = Density(given.name, given.role, None, given.given, given.held, self.solver.said)
        return Drawn(self.dist.variable, how, self.uid(args))

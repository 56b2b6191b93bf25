"""A joint distribution applied to expressions: what it can be asked, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from probrl.distributions.applied import Applied
from probrl.errors import ExpressionError
from probrl.expr.base import Expr
from probrl.expr.operators import exp, lift


class AppliedProduct:
    """A joint distribution at given conditions: values are given and returned by name."""

    def __init__(self, dist: Any, given: Mapping[str, Expr], is_held: bool = False):
        self.dist, self.given, self.is_held = dist, dict(given), is_held

    def __repr__(self) -> str:
        return f"({self.dist.notation})({self.dist.declaration})"

    def log_prob(self, *args: Any, **values: Any) -> Expr:
        """The logarithm of the joint density: the sum over the factors."""
        names = self.dist.declaration.variables
        if args or set(values) != set(names):
            raise ExpressionError(
                f"{self!r}.log_prob takes its values by name: write .log_prob({', '.join(f'{v}={v}' for v in names)})"
            )
        known = {**self.given, **{k: lift(v) for k, v in values.items()}}
        total: Expr | None = None
        for part, applied in self._parts(known):
            if any(v in self.dist.hidden for v in part.declaration.variables):
                raise ExpressionError(
                    f"{self!r}.log_prob: {part.declaration.variable} is integrated out, so the density has no "
                    "closed form"
                )
            term = applied.log_prob(*(known[v] for v in part.declaration.variables))
            total = term if total is None else total + term
        assert total is not None
        return total

    def prob(self, *args: Any, **values: Any) -> Expr:
        """The joint density."""
        return exp(self.log_prob(*args, **values))

    def draw(self, *args: Any, **options: Any) -> dict[str, Expr]:
        """A value of every variable, by name; the factors are drawn in the order of their conditions."""
        known = dict(self.given)
        for part, applied in self._parts(known):
            found = applied.draw(*args, **options) if isinstance(applied, Applied) else applied
            known.update(zip(part.declaration.variables, found if isinstance(found, tuple) else (found,), strict=True))
            if args:  # what follows from drawn values has their axis already
                args = (
                    ()
                    if any(set(part.declaration.variables) & set(p.declaration.conditions) for p in self.dist.parts)
                    else args
                )
        return {v: known[v] for v in self.dist.declaration.variables}

    def mode(self) -> dict[str, Expr]:
        """The most probable value of every variable, each given those before it."""
        return self._each("mode")

    def mean(self) -> dict[str, Expr]:
        """The expected value of every variable; the factors must not be conditioned on one another."""
        self._are_independent("mean")
        return self._each("mean")

    def variance(self) -> dict[str, Expr]:
        """The variance of every variable; the factors must not be conditioned on one another."""
        self._are_independent("variance")
        return self._each("variance")

    def _each(self, op: str) -> dict[str, Expr]:
        known = dict(self.given)
        for part, applied in self._parts(known):
            known[part.variable] = getattr(applied, op)() if isinstance(applied, Applied) else applied
        return {v: known[v] for v in self.dist.declaration.variables}

    def entropy(self) -> Expr:
        """The sum of the factors' entropies; the factors must not be conditioned on one another."""
        return self._independent("entropy", lambda part, applied: applied.entropy())

    def kl(self, other: Any) -> Expr:
        """The sum of the factors' divergences, for products of the same make."""
        if not isinstance(other, AppliedProduct) or len(other.dist.parts) != len(self.dist.parts):
            raise ExpressionError(f"{self!r}.kl({other!r}): a product is compared with a product of the same factors")
        theirs = {p.declaration.variables: a for p, a in other._parts(dict(other.given))}
        if set(theirs) != {p.declaration.variables for p in self.dist.parts}:
            raise ExpressionError(f"{self!r}.kl({other!r}): the two distribute different variables")
        return self._independent("kl", lambda part, applied: applied.kl(theirs[part.declaration.variables]))

    def held(self) -> AppliedProduct:
        """The same distribution with its parameters held still."""
        return AppliedProduct(self.dist, self.given, True)

    def _are_independent(self, op: str) -> None:
        names = {v for p in self.dist.parts for v in p.declaration.variables}
        for part in self.dist.parts:
            inside = [c for c in part.declaration.conditions if c in names]
            if inside:
                raise ExpressionError(
                    f"{self!r}.{op}: {part.notation} is conditioned on '{inside[0]}', another's variable; "
                    "estimate it from draws"
                )

    def _independent(self, op: str, term: Callable[[Any, Any], Expr]) -> Expr:
        self._are_independent(op)
        total: Expr | None = None
        for part, applied in self._parts(dict(self.given)):
            total = term(part, applied) if total is None else total + term(part, applied)
        assert total is not None
        return total

    def _parts(self, known: dict[str, Expr]) -> Any:
        for part in self.dist.ordered:
            applied = part.applied(tuple(known[c] for c in part.declaration.conditions) or part.given)
            yield part, applied.held() if self.is_held and isinstance(applied, Applied) else applied

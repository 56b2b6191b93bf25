"""The language side of every distribution: applied to expressions it gives formulas, and its parameters have roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from probrl.distributions.applied import Applied
from probrl.distributions.declaration import Declaration
from probrl.distributions.heads import data_axes
from probrl.distributions.roles import Roles
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr, show
from probrl.expr.operators import fresh_noise, lift, stop_gradient, sum_event
from probrl.expr.state import Network


class Conditional(Roles):
    """A conditional distribution as the language sees it; a family adds its formulas.

    A family gives ``keys``, ``from_network``, ``log_density`` and, where they exist in closed form, ``entropy_of``,
    ``mean_of``, ``variance_of``, ``mode_of``, ``divergence`` and ``transform``.
    """

    family = "distribution"
    support = "reals"
    keys: tuple[str, ...] = ()
    law = "normal"  # of the noise that a draw is made from
    reparameterised = True
    seen_through = False  # whether the density of a draw is taken from what the draw is made of

    declaration: Declaration
    notation: str
    rank: int
    handle: Network
    lead: tuple[Axis, ...]
    given: tuple[Expr, ...]

    # --- applied -----------------------------------------------------------------------------------------------
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """With expressions: the distribution applied. With tensors: its parameters, by name."""
        found = (*args, *kwargs.values())
        if any(isinstance(a, Expr | int | float | str) for a in found) or not (found or self.declaration.conditions):
            return self.applied(self.arguments(args, kwargs))
        if any(isinstance(a, Applied) for a in found):
            raise ExpressionError(
                f"{self.notation}({', '.join(map(repr, found))}): a condition is a value; draw one, as in pi(s).draw()"
            )
        return super().__call__(*args, **kwargs)  # type: ignore[misc]

    def __getattr__(self, name: str) -> Any:
        if name in ("entropy", "kl", "draw", "mean", "variance"):
            call = f"{self.notation}({', '.join(self.declaration.conditions)})"
            raise AttributeError(
                f"{self.notation} has no .{name} before it has its conditions: write {call}.{name}(...)"
            )
        return super().__getattr__(name)  # type: ignore[misc]

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Expr, ...]:
        """The conditions in the order of the declaration.

        Errors:
            ExpressionError: when one is missing, or is none of the declaration's.
        """
        names = self.declaration.conditions
        if not names and not args and not kwargs:
            return self.given
        left = [c for c in names if c not in kwargs]
        unknown = [k for k in kwargs if k not in names]
        if unknown or len(args) != len(left):
            call = f"{self.notation}({', '.join(names)})"
            got = ", ".join([*(show(a) for a in args), *(f"{k}={show(v)}" for k, v in kwargs.items())]) or "nothing"
            raise ExpressionError(f"{self.notation} is declared as '{self.declaration}' and got {got}: write {call}")
        queue = iter(args)
        return tuple(lift(kwargs[c]) if c in kwargs else lift(next(queue)) for c in names)

    def applied(self, args: tuple[Expr, ...]) -> Any:
        """The distribution at conditions."""
        return Applied(self.owner, self.role, args)

    @property
    def function(self) -> Callable[..., Any] | None:
        """The function of expressions that gives the parameters, where there is no network."""
        return self.__dict__.get("_function")

    # --- parameters as expressions -----------------------------------------------------------------------------
    def raw(self, role: str, args: tuple[Expr, ...]) -> Any:
        """What the network puts out, as an expression (a tuple when it has several outputs)."""
        rank = self.raw_rank
        call = n.Call(self.handle, role, args, rank, self.lead)
        return call if isinstance(rank, int) else tuple(n.Item(call, i, len(rank)) for i in range(len(rank)))

    @property
    def raw_rank(self) -> int | tuple[int, ...]:
        """The number of event dimensions of the network's output(s)."""
        return max(self.rank, 1)

    def parameters_of(self, role: str, args: tuple[Expr, ...], held: bool = False) -> dict[str, Expr]:
        """The parameters of the family at the conditions, by name."""
        if role == "behavior":
            return self.recorded(args)
        if self.function is not None:
            if role not in ("live", "frozen"):
                raise ExpressionError(
                    f"{self.notation}.{role}: it has no network of its own; take the role of the one it is made of"
                )
            found = self.from_expressions(self.function(*args))
            held = held or role == "frozen"
        elif self.given:
            found = dict(zip(self.keys, args, strict=True))
        else:
            found = self.from_network(self.raw(role, args))
        return {k: stop_gradient(v) for k, v in found.items()} if held else found

    def recorded(self, args: tuple[Expr, ...]) -> dict[str, Expr]:
        """The parameters that were recorded with the data: columns such as ``a_loc``, one per parameter."""
        axes = data_axes(*args)
        return {key: self.column(key, f"{self.variable}_{key}", axes) for key in self.keys}

    def column(self, key: str, name: str, axes: tuple[Axis, ...]) -> Expr:
        """A parameter as a column of the data."""
        return n.Symbol(name, self.rank, axes, None)

    def from_network(self, raw: Any) -> dict[str, Expr]:
        """The family's parameters from what the network puts out."""
        raise NotImplementedError

    def from_expressions(self, values: Any) -> dict[str, Expr]:
        """The family's parameters from what a function of expressions returns: a dict, a tuple, or one expression."""
        if isinstance(values, dict):
            return {k: lift(values[k]) for k in self.keys}
        if isinstance(values, tuple) and len(values) == len(self.keys):
            return {k: lift(v) for k, v in zip(self.keys, values, strict=True)}
        return self.from_network(lift(values))

    # --- what a family may be asked ----------------------------------------------------------------------------
    @property
    def variable(self) -> str:
        """The (first) variable."""
        return self.declaration.variable

    @property
    def ranks(self) -> tuple[int, ...]:
        """The ranks of the values."""
        return (self.rank,) * len(self.declaration.variables)

    def log_density(self, x: Expr, **parameters: Expr) -> Expr:
        """The logarithm of the density, as a formula of the value and the parameters."""
        raise ExpressionError(f"{self.notation} is {self.article}, which has no density")

    def total(self, x: Expr) -> Expr:
        """The sum over the coordinates of a vector; a scalar itself."""
        return sum_event(x) if self.rank else x

    def parameter_rank(self, key: str) -> int:
        """The event dimensions of a parameter as a tensor."""
        return self.rank

    @property
    def said(self) -> str:
        """The family in a page's legend, with what it does to a network's output."""
        return self.family if self.family != Conditional.family else ""

    @property
    def article(self) -> str:
        """The family in a sentence."""
        return f"{'an' if self.family[0] in 'AEIOU' else 'a'} {self.family}"

    def offers(self, op: str, applied: Applied) -> None:
        """Refuses what has no closed form in this family."""
        if not hasattr(type(self), f"{op}_of"):
            write = {
                "entropy": f"estimate it with -{applied!r}.log_prob of a draw",
                "mean": f"take the mean of draws: {applied!r}.draw(16, 'k').mean('k')",
                "variance": "estimate it from draws",
                "mode": "take its mean, or a draw",
            }[op]
            raise ExpressionError(f"the {op} of {applied!r} has no closed form for {self.article}; {write}")
        self.sized(f"the {op} of {applied!r}")

    def sized(self, what: str) -> None:
        """Refuses what needs the number of coordinates where the parameters are numbers, which stand for any number."""
        numbers = bool(self.given) and all(x.type.rank == 0 and not x.type.axes for x in self.given)
        if numbers and self.rank and self.reparameterised:
            raise ExpressionError(
                f"{what}: its parameters are numbers, so a formula does not know how many coordinates it has; give them as "
                "vectors of a network or of columns (pr.symbols('m', rank=1)), or declare a scalar with rank=0"
            )

    def values_of(self, applied: Applied, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Expr, ...]:
        """The values that a density is asked about, checked."""
        if named:
            unknown = [k for k in named if k not in self.declaration.variables]
            if unknown or values:
                raise ExpressionError(
                    f"{applied!r} distributes {', '.join(self.declaration.variables)}: name those, or give "
                    "them in order"
                )
            values = tuple(named[v] for v in self.declaration.variables if v in named)
        if len(values) != len(self.declaration.variables):
            raise ExpressionError(
                f"{applied!r} distributes {', '.join(self.declaration.variables)} and got {len(values)} values"
            )
        ordered = tuple(lift(v) for v in values)
        for value, rank in zip(ordered, self.ranks, strict=True):
            self.accepts(value, rank, applied)
        return ordered

    def accepts(self, value: Expr, rank: int, applied: Applied) -> None:
        """Refuses a value that the family cannot take."""
        if value.type.rank is not None and value.type.rank != rank and not isinstance(value, n.Number):
            kind = {0: "scalars", 1: "vectors"}.get(rank, f"values of rank {rank}")
            raise ExpressionError(
                f"{applied!r}.log_prob({show(value)}): {self.article} of {kind} got a {value.type}; declare it "
                "with rank="
                f"{value.type.rank}, or the value with pr.symbols('...', rank={rank})"
            )

    def comparable(self, p: Applied, q: Applied) -> None:
        """Refuses a divergence that has no closed form."""
        other = q.dist
        if other.support != self.support:
            raise ExpressionError(
                f"KL({p!r} || {q!r}): {self.article} lives on {self.support} and {other.article} on {other.support}; "
                "a divergence compares distributions of the same values"
            )
        if not hasattr(type(self), "divergence") or other.family != self.family or other.rank != self.rank:
            raise ExpressionError(
                f"KL({p!r} || {q!r}) has no closed form for {self.article} and {other.article}; estimate it: "
                "x = p.draw(); p.log_prob(x) - q.log_prob(x)"
            )

    def drawable(self, applied: Applied, gradient: str | None) -> None:
        """Refuses a draw that the family cannot give."""
        self.sized(f"a draw of {applied!r}")
        if gradient is not None:
            raise ExpressionError(
                f"{applied!r}.draw(gradient={gradient!r}): only a one-hot draw has a straight-through gradient; "
                + (
                    "this draw is reparameterised, so gradients pass already"
                    if self.reparameterised
                    else "declare it as pr.OneHot"
                )
            )
        if applied.role == "behavior" and self.given:
            raise ExpressionError(f"{applied!r} has no recorded parameters")

    def noises(
        self, parameters: dict[str, Expr], extra: tuple[tuple[Axis, int], ...], per: Expr | None
    ) -> tuple[Expr, ...]:
        """The fresh noise of one draw."""
        return (fresh_noise(self.law, self.like(parameters, per), extra),)

    def like(self, parameters: dict[str, Expr], per: Expr | None = None) -> Expr:
        """An expression that has the axes and the event shape of a draw's noise; its value is not used."""
        whole: Expr | None = None
        for p in parameters.values():
            if whole is None or len(p.type.axes) > len(whole.type.axes) or (p.type.rank or 0) > (whole.type.rank or 0):
                whole = p
        assert whole is not None
        for p in parameters.values():
            if any(a.name not in whole.type.names for a in p.type.axes):
                whole = whole + p if p.type.rank == whole.type.rank else whole * p
        return whole if per is None else row_of(per) * whole

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        """A draw, as a formula of noise and parameters."""
        raise ExpressionError(f"{self.notation} is {self.article}, which cannot be drawn from in a formula")

    # --- of distributions without conditions, asked directly ---------------------------------------------------
    def draw(self, *args: Any, **kwargs: Any) -> Expr:
        """A draw of a distribution without conditions."""
        if self.declaration.conditions:
            names = ", ".join(self.declaration.conditions)
            raise ExpressionError(
                f"{self.notation} is declared as '{self.declaration}': apply it first, as in "
                f"{self.notation}({names}).draw()"
            )
        return self.applied(self.given).draw(*args, **kwargs)


def row_of(*exprs: Expr) -> Expr:
    """A scalar over the axes of expressions, whatever they are: for noise that needs only their rows."""
    return n.Call(ROWS, "live", exprs, 0, ())


def _rows(*values: Any) -> Tensor:
    first = next(v for v in values if isinstance(v, Tensor))
    return first.new_ones(first.shape[0])


ROWS = Network("rows", _rows, None, True)

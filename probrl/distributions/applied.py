"""A distribution applied to expressions: what it can be asked."""

from __future__ import annotations

from typing import Any

from probrl.distributions.heads import Divergence, Draw, LogProb, Moment, Prob, Source
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis, index_axis
from probrl.expr.base import Expr, show
from probrl.expr.operators import lift

ASKED = ("log_prob", "prob", "entropy", "mean", "variance", "kl", "draw")
INSTEAD = {  # of what torch's distributions have
    "sample": "draw()", "rsample": "draw()", "log_probs": "log_prob(x)", "pdf": "prob(x)",
    "stddev": "variance() ** 0.5", "std": "variance() ** 0.5",
}  # fmt: skip


class Applied:
    """A distribution at given conditions, ``pi(s)``: asked for densities, moments, divergences and draws.

    Args:
        dist: the distribution that owns the parameters.
        role: whose parameters are meant.
        args: the conditions, in the order of the declaration.
        is_held: whether the parameters pass no gradient.
    """

    __slots__ = ("args", "dist", "is_held", "role")

    def __init__(self, dist: Any, role: str, args: tuple[Expr, ...], is_held: bool = False):
        self.dist, self.role, self.args, self.is_held = dist, role, args, is_held

    def __repr__(self) -> str:
        given = f" | {', '.join(show(a) for a in self.args)}" if self.args else ""
        role = "" if self.role == "live" else f".{self.role}"
        return f"{self.dist.notation}{role}({', '.join(self.dist.declaration.variables)}{given})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise ExpressionError(f"{self!r} has its conditions already; a value goes into .log_prob(x) or .prob(x)")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or hasattr(type(self), name):  # while it is copied, or a property that failed
            return object.__getattribute__(self, name)
        instead = INSTEAD.get(name)
        what = f"write .{instead}" if instead else f"it can be asked for {', '.join(ASKED)}"
        raise AttributeError(f"{self!r} is a formula's distribution and has no .{name}; {what}")

    @property
    def parameters(self) -> dict[str, Expr]:
        """The parameters of the family, by name, as expressions."""
        return self.dist.parameters_of(self.role, self.args, self.is_held)

    def log_prob(self, *values: Any, **named: Any) -> Expr:
        """The logarithm of the density of a value: a scalar per row.

        Errors:
            ExpressionError: for a point mass, or a value that is not of the distribution's rank.
        """
        return self._about(LogProb, values, named)

    def prob(self, *values: Any, **named: Any) -> Expr:
        """The density of a value: a scalar per row."""
        return self._about(Prob, values, named)

    def entropy(self) -> Expr:
        """The entropy: a scalar per row."""
        return self._moment("entropy")

    def mean(self) -> Expr:
        """The expected value."""
        return self._moment("mean")

    def variance(self) -> Expr:
        """The variance of each coordinate."""
        return self._moment("variance")

    def mode(self) -> Expr:
        """The most probable value."""
        return self._moment("mode")

    def kl(self, other: Any) -> Expr:
        """The Kullback-Leibler divergence KL(self || other): a scalar per row.

        Errors:
            ExpressionError: when the other is of another family or has another support.
        """
        if not isinstance(other, Applied):
            raise ExpressionError(
                f"{self!r}.kl({show(other) if isinstance(other, Expr) else repr(other)}): the other one is an applied distribution too, as in pi.old(s).kl(pi(s))"
            )
        self.dist.comparable(self, other)
        p, q = Source(self.dist, self.role, self.is_held), Source(other.dist, other.role, other.is_held)
        return n.Definition(Divergence(p, q, len(self.args)), (*self.args, *other.args))

    def draw(
        self, count: int | None = None, axis: str | None = None, *, per: Any = None, gradient: str | None = None
    ) -> Expr:
        """A value drawn from the distribution: one per row of the conditions, the same wherever it is used.

        Args:
            count: how many per row, along a new index axis.
            axis: the name of that axis.
            per: an expression whose rows get one draw each, for a distribution without conditions.
            gradient: "straight-through" lets the gradient of a discrete value pass to its probabilities.
        """
        if (count is None) != (axis is None):
            raise ExpressionError(
                f"{self!r}.draw(16, 'k'): the number of draws and the name of the new axis go together"
            )
        extra: tuple[tuple[Axis, int], ...] = () if axis is None or count is None else ((index_axis(axis), int(count)),)
        self.dist.drawable(self, gradient)
        noises = self.dist.noises(self.parameters, extra, None if per is None else lift(per))
        head = Draw(self.dist, self.role, self.is_held, gradient, len(noises))
        return n.Definition(head, (*noises, *self.args))

    def held(self) -> Applied:
        """The same distribution with its parameters held still: no gradient passes to them."""
        return Applied(self.dist, self.role, self.args, True)

    def _no_value(self, *other: Any) -> Any:
        raise ExpressionError(
            f"{self!r} is a distribution, not a value: draw one, {self!r}.draw(), or ask for .log_prob(x), "
            ".mean(), .entropy()"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = __neg__ = (
        _no_value
    )
    __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = __float__ = _no_value

    def _moment(self, op: str) -> Expr:
        self.dist.offers(op, self)
        return n.Definition(Moment(self.dist, self.role, self.is_held, op), self.args)

    def _about(self, head: type[LogProb], values: tuple[Any, ...], named: dict[str, Any]) -> Expr:
        ordered = self.dist.values_of(self, values, named)
        return n.Definition(head(self.dist, self.role, self.is_held, len(ordered)), (*ordered, *self.args))

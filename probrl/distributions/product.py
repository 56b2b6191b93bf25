"""Joint distributions: several variables, each with a distribution of its own, as in mixed actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from probrl.distributions.applied_product import AppliedProduct
from probrl.distributions.base import PixyzDistribution, PixyzLogProb, PixyzProb, PixyzProduct
from probrl.distributions.conditional import Conditional
from probrl.distributions.declaration import Declaration
from probrl.errors import DataError, ExpressionError
from probrl.expr.operators import lift
from probrl.expr.state import Network


def multiply(a: Any, b: Any) -> Any:
    """The joint distribution of two: one of ours when both are ours, else pixyz's."""
    if all(isinstance(x, Conditional | Product) for x in (a, b)):
        return Product(*factors_of(a), *factors_of(b))
    if isinstance(b, PixyzDistribution):
        return PixyzProduct(a, b)
    raise ExpressionError(
        f"{a.notation} * {b!r}: a distribution times a distribution is their joint; {type(b).__name__} is none"
    )


def factors_of(x: Any) -> tuple[Any, ...]:
    """The factors of a product; a distribution is its own."""
    return x.parts if isinstance(x, Product) else (x,)


class Product(PixyzProduct):
    r"""A joint distribution, ``pi = p * q``; conditions and values are passed by name.

    .. math:: p(a, b \mid s) = p(a \mid s)\, q(b \mid s, a)

    A factor may be conditioned on another's variable. ``joint(s=s).log_prob(a=a, b=b)``, ``joint(s=s).draw()["a"]``.

    Args:
        parts: the factors, ours.
        hidden: variables that are integrated out: drawn, and not returned.

    Errors:
        ExpressionError when two factors distribute one variable, or each is conditioned on the other.

    Example:
        >>> import probrl as pr
        >>> joint = pr.Categorical("a | s", pr.mlp(4, 3)) * pr.Normal("b | s", pr.mlp(4, 2))
        >>> s, a, b = pr.symbols("s a b")
        >>> log_prob = joint(s).log_prob(a=a, b=b)
    """

    role = "live"

    def __init__(self, *parts: Any, hidden: tuple[str, ...] = ()):
        whole = [v for p in parts for v in p.declaration.variables]
        twice = next((v for v in whole if whole.count(v) > 1), None)
        if twice is not None:
            raise ExpressionError(
                f"a product distributes '{twice}' twice; rename one of them: declare it under another name"
            )
        ordered = _ordered(parts)
        first, *others = parts
        PixyzDistribution.__init__(self, var=[], atomic=False)
        graph = first.graph
        for part in others:
            graph = graph.united(part.graph)
        self._graph: Any = graph.marginalized(hidden) if hidden else graph
        conditions = tuple(dict.fromkeys(c for p in parts for c in p.declaration.conditions if c not in whole))
        variables = tuple(v for v in whole if v not in hidden)
        self.declaration = Declaration(variables, ((),) * len(variables), conditions)
        self.notation = " ".join(dict.fromkeys(p.notation for p in parts))
        self.__dict__.update(parts=tuple(parts), ordered=ordered, hidden=tuple(hidden), _views={})

    # --- applied -----------------------------------------------------------------------------------------------
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The joint distribution at conditions, by name (by position when there is only one)."""
        names = self.declaration.conditions
        if len(args) == len(names) == 1 and not kwargs:
            kwargs, args = {names[0]: args[0]}, ()
        if args or set(kwargs) != set(names):
            given = ", ".join(f"{c}={c}" for c in names)
            raise ExpressionError(
                f"the product {self.notation} ({self.declaration}) takes its conditions by name: write joint({given})"
            )
        return AppliedProduct(self, {k: lift(v) for k, v in kwargs.items()})

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks of all factors."""
        return tuple(net for p in self.parts for net in p.networks)

    def in_role(self, role: str) -> Any:
        """The product of the factors in a role; it registers nothing of theirs."""
        if role == self.role:
            return self
        if role not in self._views:
            view = Product(*(p.in_role(role) for p in self.parts), hidden=self.hidden)
            view.__dict__["role"] = role
            self._views[role] = view
        return self._views[role]

    behavior = property(lambda self: self.in_role("behavior"), doc="What was said when the action was taken.")
    old = property(lambda self: self.in_role("old"), doc="Copies that only Snapshot moves.")
    target = property(lambda self: self.in_role("target"), doc="Copies that Polyak or Snapshot moves.")
    ema = property(lambda self: self.in_role("ema"), doc="Copies that Polyak moves.")
    reference = property(lambda self: self.in_role("reference"), doc="Copies as they were at the start.")
    frozen = property(lambda self: self.in_role("frozen"), doc="The live parameters, held still.")

    # --- pixyz's side ------------------------------------------------------------------------------------------
    def __mul__(self, other: Any) -> Any:
        return multiply(self, other)

    def log_prob(self, *args: Any, exact: bool = True, **kwargs: Any) -> Any:
        """With data (a dict), a tensor; without, pixyz's loss of that name."""
        return (
            self.get_log_prob(args[0], **kwargs)
            if args and isinstance(args[0], Mapping)
            else PixyzLogProb(self, *args, **kwargs)
        )

    def prob(self, *args: Any, **kwargs: Any) -> Any:
        """With data (a dict), a tensor; without, pixyz's loss of that name."""
        return (
            torch.exp(self.get_log_prob(args[0], **kwargs))
            if args and isinstance(args[0], Mapping)
            else PixyzProb(self, *args, **kwargs)
        )

    def get_log_prob(
        self, x_dict: Mapping[str, Any], sum_features: bool = True, feature_dims: Any = None, **kwargs: Any
    ) -> Tensor:
        """The logarithm of the joint density of the variables in a dict, one per row."""
        values = dict(x_dict)
        terms = []
        for part in self.ordered:
            inside = [v for v in part.declaration.variables if v in self.hidden]
            if inside and part.support != "a point":
                raise DataError(f"{self.notation}: '{inside[0]}' is integrated out, so its density has no closed form")
            if inside:
                values.update(
                    part.sample({c: values[c] for c in part.declaration.conditions}, return_all=False, reparam=True)
                )
            else:
                terms.append(part.get_log_prob(values))
        return sum(terms[1:], start=terms[0])

    def sample(
        self,
        x_dict: Any = None,
        batch_n: int | None = None,
        sample_shape: Any = (),
        return_all: bool = True,
        reparam: bool = False,
        sample_mean: bool = False,
        *,
        n: int | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Draws all variables, each factor given what it is conditioned on; see :meth:`Distribution.sample`."""
        names = self.declaration.conditions
        given = {names[0]: x_dict} if isinstance(x_dict, Tensor) else dict(x_dict or {})
        if n is not None and given:
            given = {k: v.repeat_interleave(n, 0) if isinstance(v, Tensor) else v for k, v in given.items()}
        elif n is not None:
            batch_n = n
        values, drawn = dict(given), set()
        for part in self.ordered:
            inner = any(c in drawn for c in part.declaration.conditions)  # its condition was drawn with the shape
            shape = () if inner else sample_shape
            known = {c: values[c] for c in part.declaration.conditions}
            if inner and sample_shape:  # what was not drawn is the same for every sample
                known = {c: v.expand(*sample_shape, *v.shape) if c not in drawn else v for c, v in known.items()}
            drawn.update(part.declaration.variables)
            values.update(part.sample(known, None if inner else batch_n, shape, False, reparam, sample_mean, **options))
        kept = {k: v for k, v in values.items() if k not in self.hidden}
        return kept if return_all else {k: kept[k] for k in self.declaration.variables}


def _ordered(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """The factors, each after those that it is conditioned on."""
    left, done, known = list(parts), [], set()
    names = {v for p in parts for v in p.declaration.variables}
    while left:
        ready = next((p for p in left if all(c in known or c not in names for c in p.declaration.conditions)), None)
        if ready is None:
            cycle = " and ".join(str(p.declaration) for p in left)
            raise ExpressionError(f"a product of {cycle}: each is conditioned on the other, so none can be drawn first")
        left.remove(ready)
        done.append(ready)
        known.update(ready.declaration.variables)
    return tuple(done)

"""Any pixyz distribution as one of ours: written by the user, or built by pixyz's algebra."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from probrl.distributions.base import Distribution, PixyzBase, PixyzDistribution, PixyzLoss
from probrl.distributions.bernoulli import Bernoulli
from probrl.distributions.beta import Beta
from probrl.distributions.categorical import Categorical
from probrl.distributions.conditional import Conditional
from probrl.distributions.deterministic import Deterministic
from probrl.distributions.normal import Normal
from probrl.distributions.product import Product
from probrl.distributions.user_modules import Asked, Outputs, Parameters, Term, fresh
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import clip, log
from probrl.expr.state import Network

EDGE = 1e-7  # how far from 0 and 1 a probability is held before its logarithm is taken


# --- the families that have closed forms here ----------------------------------------------------------------------
class ByProbabilities(Categorical):
    """A categorical distribution whose network puts out probabilities."""

    def from_network(self, raw: Any) -> dict[str, Expr]:
        return {"logits": log(clip(raw.to_axis(self.axis), EDGE, 1))}


class CoinByProbability(Bernoulli):
    """A Bernoulli distribution whose network puts out probabilities."""

    def from_network(self, raw: Any) -> dict[str, Expr]:
        p = clip(raw, EDGE, 1 - EDGE)
        return {"logits": log(p) - log(1 - p)}


class BetaByConcentrations(Beta):
    """A beta distribution whose network puts out the concentrations."""

    @property
    def raw_rank(self) -> tuple[int, ...]:
        return (self.rank, self.rank)

    def from_network(self, raw: Any) -> dict[str, Expr]:
        return {"concentration1": raw[0], "concentration0": raw[1]}


class Opaque(Distribution):
    """A pixyz distribution without closed forms here: its density is its own, a call of the user's module."""

    family = "foreign"
    reparameterised = False

    def __init__(self, declaration: str, dist: Any, *, name: str, rank: int | None = None):
        super().__init__(declaration, Asked(dist, "get_log_prob"), name=name, rank=rank)
        self.family = dist.distribution_name or type(dist).__name__
        self.support = f"the values of {self.family}"
        self.__dict__["_entropy"] = Network(name, Asked(dist, "get_entropy"), self)

    @classmethod
    def example(cls) -> Any:
        """None: it stands for what is not known here."""
        return None

    @property
    def foreign(self) -> Any:
        """The user's distribution."""
        return self.owner.net.dist

    @property
    def networks(self) -> tuple[Network, ...]:
        return (self.handle, self.__dict__["_entropy"])

    def parameters_of(self, role: str, args: tuple[Expr, ...], held: bool = False) -> dict[str, Expr]:
        role = "frozen" if held and role == "live" else role
        return {"role": role, "args": args}  # type: ignore[dict-item]

    def log_density(self, x: Expr, *, role: Any, args: Any) -> Expr:  # type: ignore[override]
        return n.Call(self.handle, role, (x, *args), 0, ())

    def entropy_of(self, role: Any, args: Any) -> Expr:
        """The entropy that the user's distribution says."""
        return n.Call(self.__dict__["_entropy"], role, tuple(args), 0, ())

    def drawable(self, applied: Any, gradient: str | None) -> None:
        raise ExpressionError(
            f"{applied!r}.draw(): {self.family} has no draw as a formula; sample it and make it a column"
        )

    def sample(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        with fresh(self.foreign):
            return self.foreign.sample(*args, **kwargs)

    def get_log_prob(self, x_dict: Any, *args: Any, **kwargs: Any) -> Tensor:
        with fresh(self.foreign):
            return self.foreign.get_log_prob(x_dict, *args, **kwargs)


def _normal(declaration: str, dist: Any, **options: Any) -> Any:
    return Normal(declaration, Parameters(dist, ("loc", "scale")), scale="network", **options)


def _probabilities(family: Callable[..., Any]) -> Callable[..., Any]:
    return lambda declaration, dist, **options: family(declaration, Parameters(dist, ("probs",)), **options)


def _beta(declaration: str, dist: Any, **options: Any) -> Any:
    return BetaByConcentrations(declaration, Parameters(dist, ("concentration1", "concentration0")), **options)


def _deterministic(declaration: str, dist: Any, **options: Any) -> Any:
    return Deterministic(declaration, Outputs(dist), **options)


KNOWN: dict[str, Callable[..., Any]] = {
    "Normal": _normal,
    "Categorical": _probabilities(ByProbabilities),
    "Bernoulli": _probabilities(CoinByProbability),
    "Beta": _beta,
    "Deterministic": _deterministic,
}
RANKS = {"Categorical": 0}  # pixyz's values are vectors, but for the integer classes that ours takes as well


# --- lifting -------------------------------------------------------------------------------------------------------
def lift(dist: Any, *, rank: int | None = None, name: str | None = None) -> Any:
    """Any pixyz distribution as a probrl distribution, for use in formulas; its parameters are shared.

    Args:
        dist: a distribution subclassed by the user, built by pixyz's algebra (product, marginal, renamed), or a pixyz
            loss, which becomes a term. Ours pass.
        rank: the event dimensions of a value; pixyz's are vectors, classes are scalars (one-hot symbols have rank 1).
        name: how it prints; its own name unless stated.

    Errors:
        ExpressionError for anything else.

    Example:
        >>> import pixyz.distributions, torch, probrl as pr
        >>> class Actor(pixyz.distributions.Categorical):
        ...     def __init__(self):
        ...         super().__init__(var=["a"], cond_var=["o"], name="p")
        ...         self.net = torch.nn.Linear(4, 2)
        ...     def forward(self, o):
        ...         return {"probs": torch.softmax(self.net(o), -1)}
        >>> actor = pr.lift(Actor())
        >>> o, a = pr.symbols("o a")
        >>> loss = pr.mean(-actor(o).log_prob(a))
    """
    if isinstance(dist, Conditional | Product | Term):
        return dist
    if isinstance(dist, PixyzLoss):
        return Term(dist, name)
    if not isinstance(dist, PixyzDistribution):
        raise ExpressionError(
            f"pr.lift({dist!r}): a pixyz distribution or a pixyz loss can be lifted, not a {type(dist).__name__}"
        )
    known = dist.__dict__.setdefault("_lifted", {})
    if (rank, name) not in known:
        known[rank, name] = _graph(dist, rank, name) if not dist._atomic else _atom(dist, {}, rank, name)
    return known[rank, name]


def given(dist: Any, *args: Any, **kwargs: Any) -> Any:
    """``pr.given(d, x)`` is ``pr.lift(d)(x)``: any pixyz distribution applied to conditions, for use in formulas.

    Example:
        >>> import pixyz.distributions, torch, probrl as pr
        >>> p = pixyz.distributions.Normal(var=["x"], cond_var=["z"], loc="z", scale=torch.ones(2))
        >>> x, z = pr.symbols("x z")
        >>> pr.given(p, z)
        p(x | z)
        >>> pr.given(p, z).log_prob(x)({"z": torch.zeros(1, 2), "x": torch.zeros(1, 2)})
        tensor([-1.8379])
    """
    return lift(dist)(*args, **kwargs)


def _atom(dist: Any, names: Mapping[str, str], rank: int | None, name: str | None) -> Any:
    """One distribution, with the names that its variables have outside."""
    if isinstance(dist, Conditional):
        return dist if not names else renamed(dist, names)
    variables, conditions = ([names.get(v, v) for v in found] for found in (dist._var, dist._cond_var))
    declaration = ", ".join(variables) + (f" | {', '.join(conditions)}" if conditions else "")
    family = dist.distribution_name
    plain = isinstance(dist, PixyzBase) or family == "Deterministic"
    make = KNOWN.get(family, Opaque) if plain else Opaque
    if make is not Opaque and family != "Deterministic" and type(dist).get_log_prob is not PixyzBase.get_log_prob:
        make = Opaque  # the user's own density is not the family's
    if rank is None:
        constant = isinstance(dist, PixyzBase) and set(dist.params_keys) <= set(dict(dist.named_buffers()))
        rank = len(dist.features_shape) if constant and family != "Categorical" else RANKS.get(family, 1)
    return make(declaration, dist, name=name or dist.name, rank=rank)


def _graph(dist: Any, rank: int | None, name: str | None) -> Any:
    """What pixyz's algebra built: its factors, with the names of the graph's table."""
    parts = []
    for factor in dist.graph.factors(sorted=True):
        outside = {local: world for world, local in factor.name_dict.items()}
        known = getattr(factor.dist, "_lifted", {}) if not outside else {}
        parts.append(known.get((rank, None)) or _atom(factor.dist, outside, rank, None))
    hidden = tuple(v for v in dist.graph.all_var if v in dist.graph.marginalize_list)
    if len(parts) == 1 and not hidden:
        if name is not None:
            parts[0].notation = name
        return parts[0]
    return Product(*parts, hidden=hidden)


def renamed(dist: Any, names: Mapping[str, str]) -> Any:
    """One of ours with other names of its variables and the same parameters."""
    from probrl.distributions.declaration import Declaration

    declared = dist.declaration
    new = object.__new__(type(dist))
    nn.Module.__init__(new)
    kept = {k: v for k, v in dist.__dict__.items() if k not in ("_views", "_formulas", "_lifted")}
    new.__dict__.update(kept, _graph=None, _dist=None)
    variables, conditions = ([names.get(v, v) for v in found] for found in (declared.variables, declared.conditions))
    new.declaration = Declaration(tuple(variables), declared.axes, tuple(conditions))
    new._var, new._cond_var = variables, conditions
    return new

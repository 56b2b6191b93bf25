"""Models made of models: guided by an energy, or away from what they say without their conditions."""

from __future__ import annotations

from typing import Any

from probrl.errors import ExpressionError
from probrl.expr.base import Expr
from probrl.expr.calculus import grad
from probrl.expr.operators import lift
from probrl.generative.applied import AppliedModel
from probrl.generative.diffusion import Diffusion
from probrl.generative.model import Model
from probrl.generative.solving import TOO_LARGE


class Guided(Diffusion):
    """What models made of another one have in common: its path, its kind of prediction, its shapes and its solver.

    Args:
        model: the model that is guided.
        function: of expressions ``(x_t, t, *conditions)``: the prediction.
        name: how it prints.
        solver: what draws from it; None is the model's.
    """

    family = "Guided"
    trained_by = "the model that it is made of: {model}({conditions}).matching(...)"

    def __init__(self, model: Model, function: Any, *, name: str | None = None, solver: Any = None):
        if not isinstance(model, Model) or type(model).said_at is not Model.said_at or not model.direct:
            kind = getattr(model, "family", type(model).__name__)
            raise ExpressionError(
                f"guidance changes the prediction of a model along a Gaussian path (pr.Diffusion, pr.Flow), and this is a {kind}; "
                "guide one of those"
            )
        super().__init__(
            str(model.declaration), function, path=model.path, predicts=model.predicts, weight=model.weight,
            name=name or rf"{model.notation}^{{\mathrm{{g}}}}", event_shape=_shape_of(model), solver=solver or model.solver,
        )  # fmt: skip
        self.__dict__["model"] = model

    @classmethod
    def example(cls) -> Any:
        """A small one over three numbers, for the laws."""
        from probrl.networks import TimeMLP

        return Diffusion("a | s", TimeMLP(3, condition=3, hidden=(16,)), drop=0.1).guided(2.0)

    def applied(self, args: tuple[Expr, ...]) -> Any:
        return AppliedGuided(self.owner, self.role, args)

    def _like(self) -> Any:
        return self.__dict__["model"]._like()


class AppliedGuided(AppliedModel):
    """A guided model at given conditions: it draws and predicts, and what it is made of is trained."""

    __slots__ = ()

    def matching(self, *values: Any, **options: Any) -> Expr:
        """Refused: there is nothing of its own to train."""
        model = self.dist.model
        conditions = ", ".join(model.declaration.conditions)
        raise ExpressionError(
            f"{self!r}.matching(...): it has no network of its own; train "
            + self.dist.trained_by.format(model=model.notation, conditions=conditions)
        )


class EnergyGuided(Guided):
    r"""The distribution whose density is proportional to a model's density times the exponential of an energy.

    .. math:: \nabla_x \log \pi_t(x \mid s) = \nabla_x \log \mu_t(x \mid s) + w \nabla_x f(x, t, s)

    Args:
        model: mu, a model along a Gaussian path.
        energy: f, called with expressions ``(x_t, t, *conditions)``: a ``pr.Deterministic`` in that order, or a function.
        weight: w, a number or an expression.
        name, solver: of :class:`Guided`.

    Its prediction is the model's with the energy's gradient converted by the path, so that nothing is divided by the noise.
    The energy is trained by ``pr.contrastive_energy``.

    Source:
        Lu et al. 2023, "Contrastive energy prediction for exact energy-guided diffusion sampling" (QGPO), theorem 3.1;
        Dhariwal and Nichol 2021 for a classifier in place of the energy.

    Example:
        >>> import torch, probrl as pr
        >>> mu = pr.Diffusion("a | s", pr.networks.TimeMLP(2, condition=3), name=r"\mu")
        >>> f = pr.Deterministic("f | a_t, t, s", pr.mlp(6, 32, 1))
        >>> pi = pr.EnergyGuided(mu, f, 3.0, name=r"\pi")
        >>> tuple(pi.sample({"s": torch.zeros(4, 3)})["a"].shape)
        (4, 2)
    """

    family = "EnergyGuided"
    trained_by = "its energy with pr.contrastive_energy, and {model}({conditions}).matching(...)"

    def __init__(self, model: Model, energy: Any, weight: Any = 1.0, **options: Any):
        def prediction(x: Expr, t: Expr, *given: Expr) -> Expr:
            said = model.applied(given)._predicted(model.predicts, x, t)
            _, share = model.path.conversion("score", model.predicts)
            pull = weight * grad(energy(x, t, *given), x)
            return said + (share if isinstance(share, int) else share(t)) * pull

        super().__init__(model, prediction, **options)
        self.__dict__["energy"] = energy
        self.__dict__["weight_of_energy"] = weight

    def _has_target(self, t: float) -> bool:
        """Nor may the energy's gradient be weighted without bound: at pure noise a velocity weighs it by 1 / alpha."""
        _, share = self.path.conversion("score", self.predicts)
        return super()._has_target(t) and (isinstance(share, int) or abs(float(share(t))) < TOO_LARGE)

    @property
    def said(self) -> str:
        """What it is proportional to."""
        name = getattr(self.__dict__["energy"], "notation", "an energy")
        return f"{self.family}, in proportion to {self.__dict__['model'].notation} exp({self.__dict__['weight_of_energy']} {name})"

    @classmethod
    def example(cls) -> Any:
        from probrl.expr.operators import sqnorm

        return cls(Diffusion.example(), lambda x, t, s: -0.1 * sqnorm(x))


def guided(model: Model, weight: Any, **options: Any) -> Guided:
    r"""Classifier-free guidance: a model led away from what it says without its conditions.

    .. math:: m^w(x_t, t, s) = m(x_t, t, \varnothing) + w\, (m(x_t, t, s) - m(x_t, t, \varnothing))

    Args:
        model: trained with ``drop``, so that it knows what to say without.
        weight: w: 1 is the model itself, 0 the model without conditions, more than 1 exaggerates.
        options: ``name`` and ``solver``.

    Errors:
        ExpressionError for a model without conditions, one that is never trained without them, and one that predicts nothing
        along a path (a bridge, a consistency model).

    Source:
        Ho and Salimans 2021, "Classifier-free diffusion guidance", equation 6; their w is this one less 1.

    Example:
        >>> import torch, probrl as pr
        >>> mu = pr.Diffusion("x | c", pr.networks.TimeMLP(2, condition=3), drop=0.1)
        >>> tuple(mu.guided(2.0).sample({"c": torch.zeros(4, 3)}, n=2)["x"].shape)
        (8, 2)
    """
    if not model.declaration.conditions:
        raise ExpressionError(f"{model.notation}.guided(...): '{model.declaration}' has no condition to be guided by")
    if not model.drop and model.function is None and model.direct:
        raise ExpressionError(
            f"{model.notation}.guided(...): it is declared without drop=, so that in training its network never learns what to say "
            "without conditions; declare it with drop=0.1"
        )

    weight = lift(weight)

    def prediction(x: Expr, t: Expr, *given: Expr) -> Expr:
        applied = model.applied(given)
        without = applied.without(model.predicts, x, t)
        return without + weight * (applied._predicted(model.predicts, x, t) - without)

    return Guided(model, prediction, **options)


def _shape_of(model: Model) -> Any:
    shapes = model.shapes
    return shapes if len(shapes) > 1 else next(iter(shapes.values()))

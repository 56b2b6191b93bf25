"""Flow matching models."""

from __future__ import annotations

from typing import Any

from probrl.expr.base import Expr
from probrl.expr.operators import noise
from probrl.generative.checked import coupling_of
from probrl.generative.coupling import paired
from probrl.generative.model import Model
from probrl.paths import Linear
from probrl.solvers import Euler


class Flow(Model):
    r"""A conditional distribution sampled by following a network's velocity from noise to data.

    .. math:: x_t = (1 - t)\, x_0 + t\, \epsilon, \qquad
              \mathcal{L} = \mathbb{E}_{t, \epsilon}\, \| v_\theta(x_t, t, s) - (\epsilon - x_0) \|^2

    Args:
        coupling: which noise goes with which datum in training: "independent"; "ot" for the exact assignment of the
            minibatch, by which paths cross less; or a function of expressions ``(x) -> noise``. With conditions, noise is
            assigned among rows of equal conditions, so that beside each condition it stays standard normal, where the
            sampling begins; conditions that are all different leave pairs as they are.
        options: those of :class:`Model`; the path is linear, the network predicts the velocity, and Euler's method with
            10 steps draws from it, unless something else is said.

    Source:
        Lipman et al. 2023, "Flow matching for generative modeling"; Liu, Gong and Liu 2023; Tong et al. 2024, "Improving
        and generalizing flow-based generative models with minibatch optimal transport", for the coupling.

    Example:
        >>> import torch, probrl as pr
        >>> v = pr.Flow("x", pr.networks.TimeMLP(2))
        >>> x = pr.symbols("x")
        >>> loss = pr.mean(v.matching(x))
        >>> tuple(v.sample(n=7)["x"].shape)
        (7, 2)
    """

    family = "Flow"
    default_name = "v"
    usual_path = Linear
    usual_prediction = "velocity"
    usual_weight = "velocity"
    usual_solver = Euler(10)

    def __init__(self, declaration: str, network: Any = None, *, coupling: Any = "independent", **options: Any):
        super().__init__(declaration, network, **options)
        self.coupling = coupling_of(self.notation, coupling, ("independent", "ot"))

    def coupled(self, x: Expr, given: tuple[Expr, ...] = ()) -> Expr:
        if callable(self.coupling):
            found: Expr = self.coupling(x)
            return found
        e = noise(like=x)
        return e if self.coupling == "independent" else paired(x, e, given)

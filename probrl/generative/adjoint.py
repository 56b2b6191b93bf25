"""Adjoint matching: a model tilted by a reward, without differentiating through its own chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.calculus import grad
from probrl.expr.operators import dot, sqnorm
from probrl.expr.recursion import recursion
from probrl.generative.applied import AppliedModel
from probrl.generative.pieces import called, table
from probrl.solvers import DDIM

SMALL = 1e-5


def adjoint_matching(
    model: AppliedModel,
    reward: Callable[[Expr], Expr],
    base: AppliedModel | None = None,
    *,
    solver: Any = None,
    start: Any = None,
    axis: str = "k",
) -> Expr:
    r"""A loss per row; the model that minimises it samples from the base model's density times exp(reward), normalised.

    Along the model's own chain, held still, with the steps' means m and their scale c:

    .. math:: a_K = -\nabla r(x_K), \qquad a_k = \nabla_{x_k} \langle m^0_k(x_k), a_{k+1} \rangle, \qquad
              \mathcal{L} = \sum_k \Big\| \frac{m_k(x_k) - m^0_k(x_k)}{c_k} + c_k\, a_{k+1} \Big\|^2

    In small steps of memoryless Euler-Maruyama, m - m^0 = -2 h (v - v^0) and c = g sqrt h: it is the loss of the source,
    2 (v - v^0) / g - g a, times the length of the steps. The steps of the chain are memoryless when the first one forgets
    the start: ancestral sampling, DDIM with eta = 1, does so for any path, exactly and for any number of steps. A step
    without noise, such as the last one, is held to the base model's.

    Args:
        model: what is trained, at its conditions.
        reward: of the last state: a scalar per row, differentiable.
        base: the model that is tilted; None is the model's ``reference``, its parameters as they were at the start.
        solver: a stochastic one; None is ``pr.solvers.DDIM(10, eta=1.0)``.
        start: the state at t = 1, in place of fresh noise.
        axis: the name of the chain's axis.

    Errors:
        ExpressionError for a solver without noise.

    Source:
        Domingo-Enrich et al. 2025, "Adjoint matching: fine-tuning flow and diffusion generative models with memoryless
        stochastic optimal control", equations 36 to 38, for discrete steps.

    Example:
        >>> import probrl as pr
        >>> v = pr.Flow("a | s", pr.networks.TimeMLP(2, condition=3), name="v")
        >>> s = pr.symbols("s")
        >>> loss = pr.mean(pr.adjoint_matching(v(s), lambda a: -pr.sqnorm(a)))
    """
    dist = model.dist
    found = dist.solver_of(DDIM(10, eta=1.0) if solver is None else solver)
    if not found.stochastic:
        raise ExpressionError(
            f"adjoint matching needs the noise of a memoryless chain, and {found.said} adds none; "
            "write solver=pr.solvers.DDIM(10, eta=1.0)"
        )
    other = (dist.owner.reference.applied(model.args) if base is None else base).held()
    chain = model.chain(found, start=start, axis=axis).held()
    x, end = called("x", chain.x), called("x_0", chain.x_end)
    k = n.Range(x.type.axis(axis), x)
    mean, tilted = (
        called(name, m.kernel(x, k, solver=found).parameters["loc"]) for name, m in (("m_ref", other), ("m", model))
    )

    def back(a: Expr) -> Any:
        return (grad(dot(mean, a), x),), a

    adjoint = recursion(back, init=-grad(reward(end), end), over=axis, reverse=True)
    scales = found.scheme(dist.schedule, dist.grid(dist.times(found))).scale
    noisy = scales > SMALL * scales.max()  # a last step without noise may have some by rounding
    scale = table("c", np.where(noisy, scales, 0.0), k)
    divisor = table("c", np.where(noisy, scales, scales[noisy].min()), k)
    return sqnorm((tilted - mean) / divisor + scale * adjoint).sum(axis)

"""Solvers on formulas: draws, chains, transition kernels and log-densities, from one step.

A formula is unrolled: each step is a few terms, and the network is called once for each evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.calculus import divergence, jvp
from probrl.expr.operators import dot, sqnorm, sum_event
from probrl.generative.jumps import leads_to
from probrl.generative.pieces import passed_by
from probrl.solvers import Scheme, solve
from probrl.solvers.scheme import Taken

if TYPE_CHECKING:
    from probrl.generative.heads import FlowLogProb, Solved

SHORT = 3  # times up to which a flow from a start prints as one formula; beyond, its states have letters


def ends(head: Solved, noises: tuple[Expr, ...], start: Expr | None, given: tuple[Expr, ...]) -> Expr:
    """The value that a draw ends at."""
    *_, (x, _) = passed(head, noises, start, given)
    return x


def passed(
    head: Any, noises: tuple[Expr, ...], start: Expr | None, given: tuple[Expr, ...]
) -> Iterator[tuple[Expr, Taken]]:
    """The states after each step, and what the step was."""
    dist = head.dist
    scheme: Scheme = head.solver.scheme(dist.schedule, dist.grid(head.times))
    coefficients = dist.coefficients(scheme)
    long = start is not None and not noises and len(head.times) > SHORT

    def field(k: int, stage: int, x: Any) -> Any:
        t, until = (n.Number(float(numbers[k]), None) for numbers in (scheme.stages[stage], leads_to(scheme, stage)))
        said = dist.said_at(head.role, head.held, x, t, until, given)
        return combined([float(c[stage][k]) for c in coefficients], (x, *said))

    def noise(k: int, x: Any) -> Any:
        return n.At(noises[-1], "step", n.Number(k, None))

    def begun(k: int, x: Any) -> Any:
        return passed_by(k, x) if k else x

    x = dist.first_state(scheme, start, noises)
    return solve(scheme, x, field, noise, begun if long else None)


def log_density(head: FlowLogProb, values: tuple[Expr, ...], given: tuple[Expr, ...], probe: Expr | None) -> Expr:
    r"""log p_1(x_1) + int_0^1 div v dt along the probability flow through the values.

    A flow that has no numbers at pure noise gets there in one step, as DDIM does: x_1 is the noise that the network sees, and
    the logarithm of this step's volume is, to first order, how far its divergence is from that of x / sigma.

    Source:
        Chen et al. 2018, "Neural ordinary differential equations", theorem 1; Song et al. 2021, appendix D.2; Grathwohl
        et al. 2019 for the estimator of the divergence.
    """
    dist = head.dist
    scheme: Scheme = head.solver.scheme(dist.schedule, dist.grid(head.times))
    coefficients = dist.coefficients(scheme)
    total: Any = 0

    def asked(weights: Sequence[float], x: Any, t: float, until: float) -> Any:
        said = dist.said_at(head.role, head.held, x, n.Number(t, None), n.Number(until, None), given, whole=True)
        return combined(weights, (x, *said))

    def field(k: int, stage: int, x: Any) -> Any:
        weights = [float(c[stage][k]) for c in coefficients]
        return asked(weights, x, float(scheme.stages[stage][k]), float(leads_to(scheme, stage)[k]))

    def spread(v: Expr, point: Expr) -> Expr:
        return divergence(v, point) if probe is None else dot(probe, jvp(v, {point: probe})).mean("probe")

    steps = list(solve(scheme, dist.state(values, whole=True), field, _no_noise))
    for k, (_, taken) in enumerate(steps):
        for weights, point, v in zip(scheme.final.predictions, taken.points, taken.predictions, strict=True):
            if weights[k]:
                total = total + float(weights[k]) * spread(v, point)
    scale = dist.start_scale(scheme, reverse=True)
    x = steps[-1][0]
    count = sum_event(0 * x + 1)
    if not head.leaps:
        return begun(sqnorm(_times(1 / scale, x)), count, scale, total)
    end = head.times[-1]
    noise = asked(dist.noise_at(end), x, end, end)
    return begun(sqnorm(noise), count, scale, total, spread(noise, x))


def begun(square: Any, count: Any, scale: float, total: Any, spread: Any = None) -> Any:
    """The logarithm of a density that a flow began with: of noise, and of the volume on the way; on formulas and tensors.

    Args:
        square: of the standard normal noise.
        count: how many numbers it has.
        scale: the state's deviation where the flow ends.
        total: the integral of the divergence.
        spread: of a last step to pure noise, the divergence of the noise that the network sees.
    """
    if spread is not None:
        total = total + scale * spread - count
    return -0.5 * square - count * (math.log(scale) + 0.5 * math.log(2 * math.pi)) + total


def _no_noise(k: int, x: Any) -> Any:
    raise AssertionError("a likelihood goes along the flow, which has no noise")


def combined(weights: Sequence[Any], parts: Sequence[Any]) -> Any:
    """The state and the predictions by their weights; what is weighted by 0 is left out."""
    terms = [_times(w, x) for w, x in zip(weights, parts, strict=True) if not (isinstance(w, float) and w == 0)]
    return reduce(add, terms) if terms else 0 * parts[0]


def _times(weight: Any, x: Any) -> Any:
    return x if isinstance(weight, float) and weight == 1 else weight * x

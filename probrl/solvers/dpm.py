"""DPM-Solver and DPM-Solver++: exponential integrators over the log-SNR, for any path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probrl.errors import DataError
from probrl.solvers.base import Solver
from probrl.solvers.schedule import Schedule, values
from probrl.solvers.scheme import Array, Row, Scheme

THIRD = (1 / 3, 2 / 3)  # where a step of order 3 looks, in parts of its log-SNR
SHORTEST = 0.5  # the step before, in parts of the step: a line through less is not drawn on, and the step is of order 1


@dataclass(frozen=True)
class DPM(Solver):
    r"""The linear part of the flow exactly, the model's prediction as a polynomial of :math:`\lambda = \log \alpha / \sigma`.

    .. math:: x' = \frac{\sigma'}{\sigma} x - \alpha' (e^{-h} - 1)\, m + \dots, \quad h = \lambda' - \lambda

    Args:
        steps: how many.
        grid: "log_snr" unless another is named.
        degree: its order, 1 to 3: how many predictions make the polynomial.
        predicts: "data" is DPM-Solver++, "noise" is DPM-Solver.
        multistep: whether the others come from earlier steps (one evaluation a step, and one more in the first step of
            degree 3), or from inside the step.

    Errors:
        DataError for a degree or a prediction that it does not have.

    Source:
        Lu et al. 2022, "DPM-Solver", algorithms 1 and 2; Lu et al. 2022, "DPM-Solver++", algorithms 1 and 2 and
        appendix A.

    Example:
        >>> import torch
        >>> import probrl as pr
        >>> model = pr.Diffusion("x", lambda x, t: 0 * x + 3, event_shape=1, predicts="data")  # all data are at 3
        >>> model.sample(n=2, solver=DPM(steps=5))["x"].squeeze(1)
        tensor([3., 3.])
    """

    degree: int = 2
    predicts: str = "data"
    multistep: bool = True

    usual = "log_snr"
    gaussian_only = True

    @classmethod
    def examples(cls) -> tuple[Solver, ...]:
        return tuple(
            cls(degree=d, predicts=p, multistep=m) for d in (1, 2, 3) for p in ("data", "noise") for m in (True, False)
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.degree not in (1, 2, 3) or self.predicts not in ("data", "noise"):
            raise DataError(
                f"pr.solvers.DPM(degree={self.degree!r}, predicts={self.predicts!r}): the degree is 1, 2 or 3, and it predicts "
                "'data' (DPM-Solver++) or 'noise' (DPM-Solver)"
            )

    @property
    def order(self) -> int:  # type: ignore[override]
        """The degree."""
        return self.degree

    @property
    def target(self) -> str:  # type: ignore[override]
        """What is asked of the model."""
        return self.predicts

    def scheme(self, schedule: Schedule, times: Array) -> Scheme:
        steps = Exponential(schedule, times[:-1], self.predicts)
        return self._from_the_past(steps, times) if self.multistep else self._inside(steps, schedule, times)

    def _from_the_past(self, steps: Exponential, times: Array) -> Scheme:
        state, first, slope, curve = steps.to(times[1:])
        h = np.abs(steps.exponents(times[1:]))
        weights = [first, np.zeros_like(first), np.zeros_like(first)]
        for k in range(1, len(h)):
            # at an end the log-SNR is infinite, so that there is no length to compare: such a step is of order 1
            usable = [h[k - i] / h[k] for i in range(1, min(k, self.degree - 1) + 1) if np.isfinite(h[k - i])]
            if np.isfinite(h[k]) and usable and usable[0] >= SHORTEST:
                _backward(weights, k, usable, slope[k] if self.degree > 2 else first[k] / 2, curve[k])
        if self.degree < 3 or not np.isfinite(h[0]):
            return Scheme(times, self.predicts, (times[:-1],), (), Row(state, tuple(weights[: self.degree])))
        return self._begun(steps, times, state, weights)

    def _begun(self, steps: Exponential, times: Array, state: Array, weights: list[Array]) -> Scheme:
        """The steps of order 3 after a first one of order 2, by its middle: one of order 1 would cost an order for all."""
        ends = values(steps.schedule.half_log_snr, np.clip(times[:2], 1e-12, 1 - 1e-12))
        middle = times[:-1].copy()
        middle[:1] = values(steps.schedule.time_of, ends.mean(keepdims=True))
        share, first, _, _ = steps.to(middle)
        once = np.arange(len(middle)) == 0
        point = Row(np.where(once, share, 1.0), (np.where(once, first, 0.0),))
        inner = np.where(once, weights[0], 0.0)
        final = Row(state, (np.where(once, 0.0, weights[0]), inner, *weights[1:]))
        return Scheme(times, self.predicts, (times[:-1], middle), (point,), final)

    def _inside(self, steps: Exponential, schedule: Schedule, times: Array) -> Scheme:
        t_next = times[1:]
        state, first, second, _ = steps.to(t_next)
        if self.degree == 1:
            return Scheme(times, self.predicts, (times[:-1],), (), Row(state, (first,)))
        parts: tuple[float, ...] = (0.5,) if self.degree == 2 else THIRD
        ends = values(schedule.half_log_snr, np.clip(times, 1e-12, 1 - 1e-12))
        inner = [values(schedule.time_of, ends[:-1] + r * np.diff(ends)) for r in parts]
        points, last = [], parts[-1]
        for i, t in enumerate(inner):
            here, one, two, _ = steps.to(t)
            slope = two / parts[0] * parts[1] if i else np.zeros_like(one)
            points.append(Row(here, (one,)) if i == 0 else Row(here, (one - slope, slope)))
        slope = first / (2 * last) if self.degree == 2 else second / last
        middle = () if self.degree == 2 else (np.zeros_like(first),)
        final = Row(state, (first - slope, *middle, slope))
        return Scheme(times, self.predicts, (times[:-1], *inner), tuple(points), final)


class Exponential:
    r"""The integrals of a step from given times, against powers of the elapsed log-SNR.

    With :math:`(c, u) = (\alpha', -h)` for data and :math:`(\sigma', h)` for noise they are :math:`-c (e^u - 1)`,
    :math:`c\, (1 - (e^u - 1) / u)` and :math:`c\, (1/2 - (e^u - 1 - u) / u^2)`.
    """

    def __init__(self, schedule: Schedule, times: Array, predicts: str):
        self.schedule, self.of_data = schedule, predicts == "data"
        self.alpha, self.sigma = values(schedule.alpha, times), values(schedule.sigma, times)

    def to(self, t: Array) -> tuple[Array, Array, Array, Array]:
        """The share of the state at the times, and the weights of the prediction, its slope and its curvature."""
        alpha, sigma = values(self.schedule.alpha, t), values(self.schedule.sigma, t)
        size, share = (alpha, sigma / self.sigma) if self.of_data else (sigma, alpha / self.alpha)
        with np.errstate(all="ignore"):  # at an end the log-SNR is infinite, and only the first weight has a limit
            u = self.exponents(t)
            grown = np.exp(u) - 1 if self.of_data else np.expm1(u)
            return share, -size * grown, size * (1 - grown / u), size * (0.5 - (grown - u) / u**2)

    def exponents(self, t: Array) -> Array:
        """u: minus or plus the growth of the log-SNR until the times."""
        alpha, sigma = values(self.schedule.alpha, t), values(self.schedule.sigma, t)
        with np.errstate(all="ignore"):
            growth = np.log(alpha * self.sigma / (sigma * self.alpha))
        return -growth if self.of_data else growth


def _backward(weights: list[Array], k: int, back: list[float], slope: float, curve: float) -> None:
    """Puts the polynomial through the predictions before into the weights of one step.

    ``back`` are the lengths of the steps before over its own; ``slope`` and ``curve`` weigh h m' and h^2 m''.
    """
    first = np.array([1, -1, 0]) / back[0]
    second = np.zeros(3)
    if len(back) == 2:
        second = 2 * (first - np.array([0, 1, -1]) / back[1]) / (back[0] + back[1])
        first = first + back[0] / 2 * second
    for weight, value in zip(weights, slope * first + curve * second, strict=True):
        weight[k] += value

"""How much noise a reverse process adds: any amount shares the marginals."""

from __future__ import annotations

from functools import partial
from typing import Any

from probrl.solvers.schedule import Schedule, values
from probrl.solvers.scheme import Array


def churn(kind: Any, schedule: Schedule, t: Array) -> Array:
    r"""g'^2 / (2 sigma) at times: by how much the noise goes into the drift of dx = (v - g'^2/2 score) dt + g' dW.

    Args:
        kind: which g', see :meth:`probrl.paths.GaussianPath.reverse_noise`.
        schedule: the path.
        t: the times.
    """
    return values(partial(schedule.reverse_noise, kind=kind), t) / (2 * values(schedule.sigma, t))

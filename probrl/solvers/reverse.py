"""How much noise a reverse process adds: any amount shares the marginals."""

from __future__ import annotations

import numpy as np

from probrl.errors import DataError
from probrl.solvers.base import Schedule
from probrl.solvers.scheme import Array

KINDS = ("own", "memoryless")


def checked(noise: object, who: str) -> None:
    """Refuses what is no amount of noise.

    Errors:
        DataError naming the choices.
    """
    number = isinstance(noise, (int, float)) and not isinstance(noise, bool) and noise >= 0
    if not number and noise not in KINDS:
        raise DataError(
            f"pr.solvers.{who}(noise={noise!r}): write 'own' (what sigma itself has), 'memoryless' (that of the forward "
            "process), or a number that multiplies the first"
        )


def churn(noise: str | float, schedule: Schedule, t: Array) -> Array:
    r"""g'^2 / (2 sigma) at times, for a reverse process dx = (v - g'^2/2 score) dt + g' dW.

    "own" is g'^2 = d sigma^2 / dt, finite wherever sigma^2 is smooth; "memoryless" is the forward process's g^2, by which
    the end of a chain forgets its beginning, and which grows beyond every bound where alpha reaches 0.

    Source:
        Domingo-Enrich et al. 2024, "Adjoint matching", for the memoryless one; all amounts: Song et al. 2021 and Albergo,
        Boffi and Vanden-Eijnden 2023, "Stochastic interpolants".
    """
    own = schedule.numbers("sigma_dot", t)
    if noise == "memoryless":
        sigma = schedule.numbers("sigma", t)
        with np.errstate(divide="ignore", invalid="ignore"):
            return own - schedule.numbers("drift", t) * sigma
    return own if noise == "own" else own * float(noise)

"""Adaptive steps and adjoint gradients, by torchdiffeq."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from probrl.errors import DataError
from probrl.solvers.base import Solver
from probrl.solvers.schedule import Schedule

STEPPING = ("dopri8", "dopri5", "bosh3", "fehlberg2", "adaptive_heun")  # those that take an error into account


@dataclass(frozen=True)
class Adaptive(Solver):
    """The flow within a tolerance, by torchdiffeq: on tensors only, it has no fixed number of steps to print.

    Args:
        steps: not used.
        method: torchdiffeq's name of the method.
        rtol, atol: the relative and the absolute tolerance of a step.
        adjoint: whether gradients come from the adjoint equation instead of through the steps.

    Errors:
        DataError for tolerances that are not positive, and for a method that torchdiffeq does not have.

    Source:
        Dormand and Prince 1980; Chen et al. 2018, "Neural ordinary differential equations".

    Example:
        >>> import torch
        >>> import probrl as pr
        >>> flow = pr.Flow("x", lambda x, t: -x, event_shape=1)  # from 1 at t = 1, x' = -x leads to e at t = 0
        >>> flow.sample(n=1, start=torch.ones(1, 1), solver=Adaptive())["x"].item()
        2.7182...
    """

    method: str = "dopri5"
    rtol: float = 1e-5
    atol: float = 1e-5
    adjoint: bool = False

    order: ClassVar[int] = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.rtol > 0 and self.atol > 0):
            raise DataError(f"pr.solvers.Adaptive(rtol={self.rtol}, atol={self.atol}): tolerances are positive")
        from torchdiffeq._impl.odeint import SOLVERS

        if self.method not in SOLVERS:
            raise DataError(
                f"pr.solvers.Adaptive(method={self.method!r}): torchdiffeq has no such method; it has {', '.join(SOLVERS)}"
            )

    def integrate(self, velocity: Any, x: Any, times: Tensor, parameters: Any = ()) -> Any:
        """The states at the times, stacked in front; ``velocity(t, x)`` has a scalar time between the first and the last."""
        import torchdiffeq

        low, high = times.min(), times.max()

        def inside(t: Tensor, x: Tensor) -> Tensor:
            found: Tensor = velocity(t.clamp(low, high), x)
            return found

        options: dict[str, Any] = {"method": self.method, "rtol": self.rtol, "atol": self.atol}
        if self.method in STEPPING:
            options["options"] = {"step_t": times}  # no step goes beyond an end, where a path may be undefined
        if self.adjoint:
            return torchdiffeq.odeint_adjoint(inside, x, times, adjoint_params=tuple(parameters), **options)
        return torchdiffeq.odeint(inside, x, times, **options)

    def scheme(self, schedule: Schedule, times: Any) -> Any:
        raise DataError(
            "pr.solvers.Adaptive has no fixed steps, so it has no formula: sample and take log-probabilities of tensors "
            "with it, and write a fixed-step solver, such as pr.solvers.RK4(steps=20), inside a loss"
        )

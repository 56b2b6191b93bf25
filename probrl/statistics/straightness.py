"""How straight trajectories are: the straighter, the fewer steps a solver needs."""

from __future__ import annotations

import torch
from torch import Tensor

from probrl.errors import DataError


def straightness(trajectory: Tensor) -> Tensor:
    r"""The mean ratio of distance to path length: 1 for straight trajectories, less otherwise.

    .. math:: \mathbb{E}\, \frac{\lVert x_K - x_0 \rVert}{\sum_k \lVert x_{k+1} - x_k \rVert}

    A point that does not move counts as straight.

    Args:
        trajectory: (K + 1, B, *event), the steps first.

    Returns:
        (), in [0, 1], without unit.

    Errors:
        DataError without a step.

    Example:
        >>> corner = torch.tensor([[[0.0, 0.0]], [[3.0, 0.0]], [[3.0, 4.0]]])
        >>> straightness(corner)  # 5 / 7
        tensor(0.7143)
    """
    x = _steps(trajectory)
    way = (x[1:] - x[:-1]).norm(dim=-1).sum(0)
    return torch.where(way > 0, (x[-1] - x[0]).norm(dim=-1) / torch.where(way > 0, way, 1), 1).mean()


def velocity_deviation(trajectory: Tensor, times: Tensor) -> Tensor:
    r"""The mean squared deviation of the velocity from the constant one between the same ends: 0 for straight lines at constant speed.

    .. math:: \mathbb{E} \sum_k \lvert \Delta t_k \rvert \left\lVert \frac{x_{k+1} - x_k}{\Delta t_k} -
        \frac{x_K - x_0}{t_K - t_0} \right\rVert^2

    Args:
        trajectory: (K + 1, B, *event), the steps first.
        times: (K + 1,), rising or falling.

    Returns:
        (), in squared units of x per unit of time.

    Errors:
        DataError without a step, or when times stand still, turn back or do not fit.

    Source:
        The straightness of Liu, Gong, Liu, "Flow straight and fast: learning to generate and transfer data with rectified
        flow", 2023.

    Example:
        >>> corner = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]])  # one point, right and then up
        >>> velocity_deviation(corner, torch.tensor([0.0, 0.5, 1.0]))
        tensor(2.)
    """
    x = _steps(trajectory)
    if times.shape != (len(x),):
        raise DataError(f"times has one entry per point of a trajectory, ({len(x)},); got {tuple(times.shape)}")
    steps = torch.diff(times.to(x.dtype))
    if not (bool((steps > 0).all()) or bool((steps < 0).all())):
        raise DataError("times of a trajectory rise or fall throughout")
    velocity = torch.diff(x, dim=0) / steps.view(-1, 1, 1)
    gap = velocity - (x[-1] - x[0]) / (times[-1] - times[0])
    return (gap.square().sum(-1) * steps.abs().unsqueeze(-1)).sum(0).mean()


def _steps(trajectory: Tensor) -> Tensor:
    """A trajectory as (K + 1, B, d)."""
    if trajectory.dim() < 2 or len(trajectory) < 2 or trajectory.numel() == 0:
        raise DataError(f"a trajectory has shape (K + 1, B, ...) with a step or more; got {tuple(trajectory.shape)}")
    return trajectory.reshape(*trajectory.shape[:2], -1)

"""The ways that points take from noise to data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probrl.errors import DataError
from probrl.pictures.figure import DATA, INK, MODEL, blank, finished, flat, limits, line, plane, wheel
from probrl.pictures.samples import scatter


def draw_trajectories(
    trajectory: Tensor,
    data: Tensor | None = None,
    path: str | Path | None = None,
    times: Tensor | None = None,
    lines: int = 200,
    title: str = "from noise to data",
) -> Any:
    """Trajectories of points in the plane, or of points on a line over time, with where they start and end.

    Args:
        trajectory: (K + 1, B, *event) of one or two coordinates, as a solver gives it.
        data: (m, *event), drawn below.
        path: where to write the picture; None returns the figure.
        times: (K + 1,), for points on a line; None counts the steps.
        lines: how many trajectories are drawn.
        title: what it is called.

    Returns:
        The path, or the matplotlib figure.

    Errors:
        DataError for events of more than two coordinates, no step, or NaN; MissingExtraError without matplotlib.

    Example:
        >>> figure = draw_trajectories(torch.linspace(1, 0, 5)[:, None, None] * torch.randn(1, 50, 2))
        >>> figure.axes[0].get_title()
        'from noise to data'
    """
    ways = paths_of(trajectory)[:, :lines]
    known = None if data is None else flat("data", data)
    if ways.shape[2] == 1:
        return finished(_over_time(ways, times, title), path)
    if ways.shape[2] > 2:
        raise DataError(f"trajectories are drawn in one or two coordinates, not in {ways.shape[2]}")
    figure, [axes] = blank(side=5.0)
    if known is not None:
        scatter(axes, known, None, DATA)
    axes.add_collection(_lines(ways))
    axes.scatter(*ways[0].T.numpy(), s=7, color=INK, linewidths=0, zorder=3, label="start")
    axes.scatter(*ways[-1].T.numpy(), s=9, color=MODEL, linewidths=0, zorder=4, label="end")
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    plane(axes, limits(ways[0], ways[-1], known), title)
    return finished(figure, path)


def paths_of(trajectory: Tensor) -> Tensor:
    """A trajectory as (K + 1, B, d) on the processor.

    Errors:
        DataError without a step, or when a point is not finite.
    """
    if trajectory.dim() < 2 or len(trajectory) < 2:
        raise DataError(f"a trajectory has shape (K + 1, B, ...) with a step or more; got {tuple(trajectory.shape)}")
    rows = trajectory.shape[1]
    return flat("trajectory", trajectory.reshape(len(trajectory), -1)).reshape(len(trajectory), rows, -1)


def _lines(ways: Tensor) -> Any:
    """One faint line per point, coloured by where it starts about the middle of all."""
    from matplotlib.collections import LineCollection

    start = ways[0] - ways[0].mean(0)
    return LineCollection(
        list(ways.transpose(0, 1).numpy()), cmap=wheel(), array=angles(start).numpy(), linewidths=0.7, alpha=0.55
    )


def angles(points: Tensor) -> Tensor:
    """The directions of points of the plane from the origin, (n, 2) to (n,)."""
    return torch.atan2(points[:, 1], points[:, 0])


def _over_time(ways: Tensor, times: Tensor | None, title: str) -> Any:
    """Points on a line, upwards, over time."""
    clock = torch.arange(len(ways)) if times is None else times.detach().cpu()
    if clock.shape != (len(ways),):
        raise DataError(f"times has one entry per point of a trajectory, ({len(ways)},); got {tuple(clock.shape)}")
    figure, [axes] = blank(ratio=0.6, side=5.0)
    axes.plot(clock.numpy(), ways[:, :, 0].numpy(), color=MODEL, linewidth=0.6, alpha=0.4)
    axes.set(xlabel="step" if times is None else "t", xlim=(float(clock[0]), float(clock[-1])))
    line(axes, title)
    return figure

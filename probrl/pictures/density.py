"""What a model believes, drawn on a grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probrl.errors import DataError
from probrl.pictures.figure import DATA, MODEL, blank, finished, flat, limits, line, plane


def draw_density(
    log_prob: Callable[[Tensor], Tensor],
    data: Tensor | None = None,
    path: str | Path | None = None,
    window: tuple[float, float] | None = None,
    resolution: int = 120,
    rows: int = 4096,
    title: str = "density",
) -> Any:
    r"""The density :math:`e^{\log p(x)}` over a square of the plane, or over an interval of the line.

    Args:
        log_prob: from points (n, d) to log-densities (n,) in nats, d of 1 or 2; called without gradient.
        data: (m, d), drawn beside the density, and what the window is taken from; a single coordinate may be (m,).
        path: where to write the picture; None returns the figure.
        window: the lowest and the highest coordinate, of every axis; needed without data.
        resolution: points per axis.
        rows: how many points are asked for at a time.
        title: what the density is called.

    Returns:
        The path, or the matplotlib figure.

    Errors:
        DataError for data of more than two coordinates, values that do not fit, or no window; MissingExtraError without
        matplotlib.

    Example:
        >>> normal = torch.distributions.Normal(0.0, 1.0)
        >>> figure = draw_density(lambda x: normal.log_prob(x).sum(1), window=(-3, 3))
        >>> figure.axes[0].get_title()
        'density'
    """
    known = None if data is None else flat("data", data)
    if known is not None and known.shape[1] > 2:
        raise DataError(f"a density is drawn over one or two coordinates, not over {known.shape[1]}")
    if window is not None:
        d = 2 if known is None else known.shape[1]
        low, high = torch.full((d,), float(window[0])), torch.full((d,), float(window[1]))
    elif known is not None:
        low, high = limits(known)
    else:
        raise DataError("say where to draw the density: window=(-3, 3), or data=")
    axes_of = [torch.linspace(a, b, resolution) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    grid = torch.stack(torch.meshgrid(*axes_of, indexing="xy"), -1).view(-1, len(axes_of))
    values = _evaluated(log_prob, grid, rows)
    if len(axes_of) == 1:
        return finished(_curve(grid[:, 0], values, known, title), path)
    figure, axes = blank(1 if known is None else 2)
    if known is not None:
        axes[0].set_facecolor("black")
        axes[0].hist2d(*known.T.numpy(), bins=[axis.tolist() for axis in axes_of], cmap="magma")
        plane(axes[0], (low, high), "data")
    axes[-1].imshow(
        values.view(resolution, resolution).numpy(), origin="lower", cmap="magma", vmin=0, interpolation="bilinear",
        extent=(float(low[0]), float(high[0]), float(low[1]), float(high[1])),
    )  # fmt: skip
    plane(axes[-1], (low, high), title)
    return finished(figure, path)


def _evaluated(log_prob: Callable[[Tensor], Tensor], grid: Tensor, rows: int) -> Tensor:
    """The density at each point of the grid, some rows at a time."""
    found = []
    with torch.no_grad():
        for part in grid.split(rows):
            value = log_prob(part)
            if value.shape != (len(part),):
                raise DataError(
                    f"log_prob gives one number per point, ({len(part)},); its shape is {tuple(value.shape)}"
                )
            found.append(value.detach().cpu().float())
    values = torch.cat(found).exp()
    if not values.isfinite().all():
        raise DataError("the log-density is NaN or far above 0 somewhere in the window")
    return values


def _curve(x: Tensor, values: Tensor, data: Tensor | None, title: str) -> Any:
    """A density over the line, before the histogram of the data."""
    figure, [axes] = blank(ratio=0.6, side=5.0)
    if data is not None:
        axes.hist(
            data[:, 0].numpy(), 60, range=(float(x[0]), float(x[-1])), density=True, color=DATA, alpha=0.6, label="data"
        )
    axes.plot(x.numpy(), values.numpy(), color=MODEL, linewidth=1.5, label=title)
    axes.legend(frameon=False, fontsize=8)
    axes.set(yticks=[], xlim=(float(x[0]), float(x[-1])))
    line(axes)
    return figure

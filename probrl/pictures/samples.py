"""Samples beside the data that they should look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probrl.errors import DataError
from probrl.pictures.figure import DATA, MODEL, blank, classes, finished, flat, limits, line, plane, titled
from probrl.pictures.images import is_images, tiled


def draw_samples(
    samples: Tensor,
    data: Tensor | None = None,
    path: str | Path | None = None,
    labels: Tensor | None = None,
    data_labels: Tensor | None = None,
    title: str = "samples",
) -> Any:
    """Draws samples beside the data: points in the plane, histograms on a line, or rows of images.

    Points of more than two coordinates are projected onto the two directions in which the data (else the samples)
    vary most; the title says so.

    Args:
        samples: (n, *event).
        data: (m, *event), drawn at the left on the same scale.
        path: where to write the picture; None returns the figure.
        labels: colours of the samples: classes (n,), one-hot (n, k), or one number per row (n, 1).
        data_labels: likewise for the data.
        title: what the samples are called.

    Returns:
        The path, or the matplotlib figure.

    Errors:
        DataError when there is no point, one is not finite, or events differ; MissingExtraError without matplotlib.

    Example:
        >>> figure = draw_samples(torch.randn(100, 2), data=torch.randn(100, 2))
        >>> [axes.get_title() for axes in figure.axes]
        ['data', 'samples']
    """
    if data is not None and data.shape[1:] != samples.shape[1:]:
        raise DataError(
            f"samples and data are of one shape; got {tuple(samples.shape[1:])} and {tuple(data.shape[1:])}"
        )
    shown, known = flat("samples", samples), None if data is None else flat("data", data)
    if is_images(samples):
        return finished(_sheets(samples, data, title), path)
    if shown.shape[1] == 1:
        return finished(_histograms(shown, known, title), path)
    if shown.shape[1] > 2:
        shown, known = _projected(shown, known)
        title = f"{title}, two principal components"
    figure, axes = blank(1 if known is None else 2)
    window = limits(shown, known)
    if known is not None:
        scatter(axes[0], known, classes(data_labels), DATA)
        plane(axes[0], window, "data")
    scatter(axes[-1], shown, classes(labels), MODEL)
    plane(axes[-1], window, title)
    return finished(figure, path)


def scatter(axes: Any, points: Tensor, colours: Any, colour: str) -> Any:
    """Points of the plane, the smaller and fainter the more there are."""
    size, faint = (max(1.5, min(18.0, 9000 / len(points))), 0.35 + 0.5 / (1 + len(points) / 1000))
    how = {"color": colour} if colours is None else {"c": colours[: len(points)], "cmap": "turbo"}
    return axes.scatter(*points.T.numpy(), s=size, alpha=faint, linewidths=0, **how)


def _sheets(samples: Tensor, data: Tensor | None, title: str) -> Any:
    """Up to a hundred images of each."""
    sheets = [(title, samples)] if data is None else [("data", data), (title, samples)]
    figure, axes = blank(len(sheets))
    for a, (name, images) in zip(axes, sheets, strict=True):
        show(a, images[:100])
        titled(a, name)
    return figure


def show(axes: Any, images: Tensor) -> Any:
    """Images on one sheet; returns what is drawn."""
    axes.set_axis_off()
    return axes.imshow(tiled(images).squeeze(-1).numpy(), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")


def _histograms(samples: Tensor, data: Tensor | None, title: str) -> Any:
    """Both on one axis, of the same bins."""
    figure, [axes] = blank(ratio=0.6, side=5.0)
    low, high = (float(v) for v in limits(samples, data))
    bins = torch.linspace(low, high, 61).tolist()
    if data is not None:
        axes.hist(data[:, 0].numpy(), bins, density=True, color=DATA, alpha=0.6, label="data")
    axes.hist(samples[:, 0].numpy(), bins, density=True, histtype="step", color=MODEL, linewidth=1.5, label=title)
    axes.legend(frameon=False, fontsize=8)
    axes.set(yticks=[], xlim=(low, high))
    line(axes)
    return figure


def _projected(samples: Tensor, data: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Onto the two directions of largest variance of the data, else of the samples."""
    basis = samples if data is None else data
    centre = basis.mean(0)
    directions = torch.linalg.svd(basis - centre, full_matrices=False).Vh[:2].T
    return (samples - centre) @ directions, None if data is None else (data - centre) @ directions

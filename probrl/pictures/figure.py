"""What every picture shares: a figure without a window, what is drawn on it, and where it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probrl.errors import DataError, MissingExtraError

INK, DATA, MODEL = "#26303a", "#8a94a0", "#d1495b"
"""Colours: of text, of what the data are, of what a model makes."""


def blank(columns: int = 1, side: float = 4.0, ratio: float = 1.0) -> tuple[Any, list[Any]]:
    """A figure with axes side by side, drawn without a window and without matplotlib's global state.

    Args:
        columns: how many axes.
        side: the width of each, in inches.
        ratio: height over width.

    Returns:
        The figure and its axes.

    Errors:
        MissingExtraError without matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a picture needs matplotlib: pip install 'probrl[plot]'") from error
    figure = Figure(figsize=(side * columns, side * ratio + 0.3), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def finished(figure: Any, path: str | Path | None, dpi: int = 130) -> Any:
    """The figure itself when there is no path, else the path that it was written to; missing folders are made."""
    if path is None:
        return figure
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=dpi)
    return target


def plane(axes: Any, limits: tuple[Tensor, Tensor], title: str = "") -> None:
    """Axes of equal scale about the points, without numbers."""
    (left, bottom), (right, top) = (v.tolist() for v in limits)
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")
    titled(axes, title)
    for spine in axes.spines.values():
        spine.set_color("#d0d5da")


def line(axes: Any, title: str = "") -> None:
    """Axes of a curve: what it is drawn on at the bottom alone."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8)
    titled(axes, title)


def titled(axes: Any, title: str) -> None:
    """A title in the ink of all."""
    axes.set_title(title, color=INK, fontsize=10)


def limits(*points: Tensor | None) -> tuple[Tensor, Tensor]:
    """A square of the plane, or an interval of the line, about nearly all of the points (n, d): its two corners.

    The farthest thousandth of the points may fall outside, so that one that got lost does not shrink the picture.
    """
    together = torch.cat([p for p in points if p is not None])
    low, high = (together.quantile(q, 0) for q in (0.001, 0.999))
    centre, half = (low + high) / 2, 0.55 * (high - low).max().clamp(min=1e-3)
    return centre - half, centre + half


def flat(name: str, x: Tensor) -> Tensor:
    """Points as (n, d) on the processor, at most 100,000 of them; (n,) counts as points on a line.

    Errors:
        DataError when there is none, or one is not finite.
    """
    if x.dim() == 0 or x.numel() == 0:
        raise DataError(f"a picture needs a point or more: {name} has shape {tuple(x.shape)}")
    if not x.isfinite().all():
        raise DataError(f"{name} has NaN or infinity, which cannot be drawn")
    return x.detach().to("cpu", torch.float32).reshape(len(x), -1)[:100_000]


def wheel() -> Any:
    """Colours around the circle, none of them pale: for directions."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "wheel", ["#3a5fcd", "#2a9d8f", "#d9a400", "#d1495b", "#7b3fa0", "#3a5fcd"]
    )


def classes(labels: Tensor | None) -> Any:
    """Colours by class: of whole numbers (n,) or one-hot rows (n, k); by value for one number per row; None for none."""
    if labels is None:
        return None
    labels = labels.detach().cpu()
    if labels.dim() > 1:
        labels = labels.argmax(1) if labels.shape[1] > 1 else labels[:, 0]
    return labels.numpy()

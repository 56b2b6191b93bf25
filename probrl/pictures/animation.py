"""The flow from noise to data as a moving picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probrl.errors import DataError
from probrl.pictures.figure import DATA, MODEL, blank, flat, limits, line, plane, titled, wheel
from probrl.pictures.images import is_images, tiled
from probrl.pictures.samples import scatter, show
from probrl.pictures.trajectories import angles, paths_of

Frame = Callable[[int, str], None]


def animate(
    trajectory: Tensor,
    path: str | Path,
    data: Tensor | None = None,
    times: Tensor | None = None,
    fps: int = 20,
    hold: float = 1.0,
    dpi: int = 100,
) -> Path:
    """Writes the trajectories of all points as a GIF: points in the plane over the data, a histogram on a line, or images.

    Args:
        trajectory: (K + 1, B, *event), as a solver gives it: one or two coordinates, or images of one or three channels.
        path: where to write it; ends in ``.gif``.
        data: (m, *event), which stays below the points.
        times: (K + 1,), written above each frame.
        fps: frames per second.
        hold: seconds that the last frame stays.
        dpi: dots per inch; a plane is 4 inches wide.

    Returns:
        The path.

    Errors:
        DataError for other events, other endings of the path, or NaN; MissingExtraError without matplotlib.

    Example:
        >>> import tempfile
        >>> ways = torch.linspace(1, 0, 3)[:, None, None] * torch.randn(1, 50, 2)  # 50 points, two steps towards 0
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     animate(ways, f"{folder}/flow.gif").name
        'flow.gif'
    """
    target = Path(path)
    if target.suffix.lower() != ".gif":
        raise DataError(f"an animation is written as a GIF: give a path that ends in .gif, not {target.name!r}")
    if times is not None and times.shape != (len(trajectory),):
        raise DataError(f"times has one entry per frame, ({len(trajectory)},); got {tuple(times.shape)}")
    ways, known = paths_of(trajectory), None if data is None else flat("data", data)
    if trajectory.dim() == 5 and is_images(trajectory[0]):
        figure, frame = _of_images(trajectory)
    elif ways.shape[2] == 2:
        figure, frame = _of_the_plane(ways, known)
    elif ways.shape[2] == 1:
        figure, frame = _of_the_line(ways, known)
    else:
        raise DataError(
            f"an animation shows one or two coordinates, or images; not events of shape {trajectory.shape[2:]}"
        )
    names = [f"step {k}" if times is None else f"t = {float(times[k]):.2f}" for k in range(len(ways))]
    target.parent.mkdir(parents=True, exist_ok=True)
    _write(figure, frame, names, target, (fps, round(hold * fps), dpi))
    return target


def _write(figure: Any, frame: Frame, names: list[str], target: Path, pace: tuple[int, int, int]) -> None:
    """Every frame once, the last one as often as it is held."""
    from matplotlib.animation import PillowWriter

    fps, held, dpi = pace
    writer = PillowWriter(fps=fps)
    figure.set_layout_engine("none")  # one arrangement for all frames
    with writer.saving(figure, str(target), dpi):
        for k in [*range(len(names)), *[len(names) - 1] * held]:
            frame(k, names[k])
            writer.grab_frame()


def _of_the_plane(ways: Tensor, data: Tensor | None) -> tuple[Any, Frame]:
    """Points coloured by the direction they start in, so that the eye can follow them."""
    figure, [axes] = blank()
    if data is not None:
        scatter(axes, data, None, DATA)
    drawn = scatter(axes, ways[0], angles(ways[0] - ways[0].mean(0)).numpy(), MODEL)
    drawn.set(cmap=wheel(), alpha=0.9, zorder=3)
    plane(axes, limits(ways[0], ways[-1], data), " ")
    figure.draw_without_rendering()

    def frame(k: int, name: str) -> None:
        drawn.set_offsets(ways[k].numpy())
        titled(axes, name)

    return figure, frame


def _of_the_line(ways: Tensor, data: Tensor | None) -> tuple[Any, Frame]:
    """A histogram that changes, before that of the data."""
    figure, [axes] = blank(ratio=0.6)
    low, high = (float(v) for v in limits(ways[0], ways[-1], data))
    edges = torch.linspace(low, high, 61)
    width = float(edges[1] - edges[0])
    heights = [torch.histogram(w[:, 0], edges).hist / (len(w) * width) for w in ways]
    if data is not None:
        axes.hist(data[:, 0].numpy(), edges.tolist(), density=True, color=DATA, alpha=0.6)
    drawn = axes.stairs(heights[0].numpy(), edges.numpy(), color=MODEL, linewidth=1.5)
    axes.set(yticks=[], xlim=(low, high), ylim=(0, 1.1 * float(max(heights[0].max(), heights[-1].max()))))
    line(axes, " ")
    figure.draw_without_rendering()

    def frame(k: int, name: str) -> None:
        drawn.set_data(heights[k].numpy())
        titled(axes, name)

    return figure, frame


def _of_images(trajectory: Tensor) -> tuple[Any, Frame]:
    """Up to 64 images on one sheet."""
    figure, [axes] = blank()
    drawn = show(axes, trajectory[0, :64])
    titled(axes, " ")
    figure.draw_without_rendering()

    def frame(k: int, name: str) -> None:
        drawn.set_data(tiled(trajectory[k, :64]).squeeze(-1).numpy())
        titled(axes, name)

    return figure, frame

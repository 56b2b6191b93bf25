"""Clouds, ways and functions side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probrl.pictures.figure import DATA, INK, MODEL, blank, finished, limits, line, plane, titled, wheel


def panels(count: int, columns: int, side: float) -> tuple[Any, list[Any]]:
    """A figure with so many square panels in rows."""
    rows = math.ceil(count / columns)
    figure, _ = blank(columns, side=side, ratio=rows * 1.04)
    figure.clear()
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def angle(x: Tensor) -> Tensor:
    """The direction of each point from the middle of all."""
    return torch.atan2(*(x - x.mean(0)).flip(1).T)


def grid_of(
    states: Mapping[str, Tensor], columns: int, file: Path, colours: Tensor | None = None, size: float = 2.0
) -> Path:
    """Clouds by their titles, in one scale each row of its own; colours by class, or by direction of the given points."""
    figure, axes = panels(len(states), columns, size if columns < 6 else 1.75)
    window = limits(*[x for title, x in states.items() if title != "noise"])
    hue, cmap = (None, None) if colours is None else (colours, "turbo")
    if colours is not None and colours.dim() > 1:
        hue, cmap = angle(colours), wheel()
    for ax, (title, x) in zip(axes, states.items(), strict=False):
        how = {"color": MODEL} if hue is None else {"c": hue.numpy(), "cmap": cmap}
        ax.scatter(*x.T.numpy(), s=4, alpha=0.6, linewidths=0, **how)
        plane(ax, limits(x) if title == "noise" else window, title)
    return finished(figure, file)


def strip(ways: Mapping[str, Tensor], file: Path, base: Tensor, lines: int = 250, side: float = 4.0) -> Path:
    """Trajectories (K + 1, B, 2) by their titles, over the data."""
    from matplotlib.collections import LineCollection

    figure, axes = panels(len(ways), len(ways), side)
    window = limits(*(w[k] for w in ways.values() for k in (0, -1)), base)
    for ax, (title, way) in zip(axes, ways.items(), strict=True):
        shown = way[:, :lines]
        ax.scatter(*base.T.numpy(), s=5, color=DATA, alpha=0.35, linewidths=0)
        hue = angle(shown[0]).numpy()
        ax.add_collection(
            LineCollection(list(shown.transpose(0, 1).numpy()), cmap=wheel(), array=hue, linewidths=0.7, alpha=0.5)
        )
        ax.scatter(*shown[0].T.numpy(), s=5, color=INK, linewidths=0, zorder=3)
        ax.scatter(*shown[-1].T.numpy(), s=7, color=MODEL, linewidths=0, zorder=4)
        plane(ax, window, title)
    return finished(figure, file)


def river(path: Any, ends: Any, file: Path) -> Path:
    """Where the flow through each place and time ends, over the line, with ways of the flow."""
    t, y = torch.linspace(0, 1, 140), torch.linspace(-2.6, 2.6, 140)
    size = (path.alpha(t) ** 2 + path.sigma(t) ** 2).sqrt()
    points = (y[:, None] * size).reshape(-1, 1)
    clock = t.expand(len(y), -1).reshape(-1)
    values = ends(points, clock, torch.zeros_like(clock)).reshape(len(y), len(t))
    figure, [ax] = blank(side=7.5, ratio=0.42)
    shown = ax.imshow(values.numpy(), origin="lower", extent=(0, 1, -2.6, 2.6), aspect="auto", cmap="turbo")
    start = torch.linspace(-2.2, 2.2, 23)[:, None] * size[-1]
    times = torch.linspace(1, 0, 80)
    ways = [start]
    for now, then in pairwise(times):
        ways.append(ends(ways[-1], now.expand(len(start)), then.expand(len(start))))
    scale = (path.alpha(times) ** 2 + path.sigma(times) ** 2).sqrt()
    ax.plot(times, torch.cat(ways, 1).T / scale[:, None], color="white", linewidth=0.8, alpha=0.8)
    ax.set(xlim=(0, 1), ylim=(-2.6, 2.6), yticks=[])
    ax.set_xlabel("t: data at 0, noise at 1", fontsize=9, color=INK)
    bar = figure.colorbar(shown, ax=ax, pad=0.01)
    bar.ax.tick_params(labelsize=8)
    line(ax)
    titled(ax, "f(x, t)")
    return finished(figure, file)


def sheet(states: list[Tensor], names: list[str], file: Path) -> Path:
    """Pictures of tokens (rows, height, width), a column per state; the last class is the mask."""
    from matplotlib.colors import ListedColormap

    rows = len(states[0])
    figure, _ = blank(len(states), side=1.15, ratio=rows)
    figure.clear()
    colours = ListedColormap(["#f4f1ea", "#d1495b", "#3a5fcd", "#d9a400", "#b9c0c7"])
    for axes, *row in zip(figure.subplots(rows, len(states)), range(rows), strict=True):
        for ax, state, name in zip(axes, states, names, strict=True):
            ax.imshow(state[row[0]].numpy(), cmap=colours, vmin=0, vmax=4, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            for spine in ax.spines.values():
                spine.set_visible(False)
            if row[0] == 0:
                titled(ax, name)
    return finished(figure, file, 100)

"""What a path looks like: its functions of time, a mixture on the line, a cloud in the plane, to noise and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from exact import ExactData, far_is_nothing

import probrl as pr
from probrl.pictures.figure import INK, MODEL, blank, finished, line, titled

ENDS = (1e-3, 1 - 1e-3)
WEIGHTS = {"likelihood": "#d1495b", "velocity": "#3a5fcd", "data": "#2a9d8f", "min_snr": "#d9a400"}
SNAPSHOTS, BACK = 6, pr.solvers.DPM(steps=60, grid="uniform")


def functions(path: Any, file: Path) -> Path:
    """alpha and sigma, half the log-SNR, and the weights of losses, over time."""
    t = torch.linspace(*ENDS, 400, dtype=torch.float64)
    figure, (first, second, third) = blank(3, side=3.3, ratio=0.72)
    a, s = path.alpha(t), path.sigma(t)
    first.plot(t, a, color="#3a5fcd", label=r"$\alpha$, of the data")
    first.plot(t, s, color=MODEL, label=r"$\sigma$, of the noise")
    if float(s.max()) > 3:
        first.set_yscale("log")
    second.axhline(0, color="#d0d5da", linewidth=0.8)
    second.plot(t, path.half_log_snr(t), color=INK)
    for kind, colour in WEIGHTS.items():
        third.plot(t, path.weight(t, kind).expand(t.shape), color=colour, label=kind.replace("_", "-"))
    third.set_yscale("log")
    low, high = third.get_ylim()
    third.set_ylim(max(low, 1e-4), min(high, 1e4))
    names = ("the two formulas", r"$\ln(\alpha / \sigma)$", "weights of the noise's squared error")
    for axes, title in zip((first, second, third), names, strict=True):
        line(axes, title)
        axes.spines["left"].set(visible=True, color="#d0d5da")
        axes.set_xlim(0, 1)
        axes.set_xlabel("t", fontsize=9, color=INK)
        if axes is not second:
            axes.legend(frameon=False, fontsize=8)
    return finished(figure, file)


def rivers(path: Any, file: Path) -> Path:
    """The density of x_t over time for three heaps on the line, with ways back along the flow and with noise."""
    heaps = torch.tensor([[-1.3], [-0.2], [1.1]])
    model = pr.Diffusion("x", ExactData(path, heaps, 0.12), path=path, predicts="data", event_shape=(1,))
    solvers = {"back along the flow": pr.solvers.Heun(120), "back with noise": pr.solvers.EulerMaruyama(240)}
    figure, axes = blank(2, side=5.0, ratio=0.55)
    t, y = torch.linspace(0, 1, 300, dtype=torch.float64), torch.linspace(-3, 3, 300, dtype=torch.float64)
    a, s = path.alpha(t), path.sigma(t)
    size = (a**2 + s**2).sqrt()
    spread = ((a * 0.12) ** 2 + s**2).sqrt() / size
    centres = a / size * heaps.double()
    density = torch.exp(-((y[:, None, None] - centres) ** 2) / (2 * spread**2)).div(spread).sum(1)
    density = density / density.amax(0)
    generator = torch.Generator().manual_seed(3)
    for ax, (title, solver) in zip(axes, solvers.items(), strict=True):
        ax.imshow(density.numpy(), origin="lower", extent=(0, 1, -3, 3), aspect="auto", cmap="magma", vmax=1.4)
        ways = model.sample(n=9 if solver.stochastic else 28, solver=solver, trajectory=True, generator=generator)["x"][
            :, :, 0
        ].double()
        times = torch.tensor(model.times(model.solver_of(solver)), dtype=torch.float64)
        scale = (path.alpha(times) ** 2 + path.sigma(times) ** 2).sqrt()
        ax.plot(times, ways / scale[:, None], color="white", linewidth=0.7, alpha=0.75)
        ax.set(xlim=(0, 1), ylim=(-3, 3), yticks=[])
        ax.set_xlabel("t: data at 0, noise at 1", fontsize=9, color=INK)
        line(ax, title)
    return finished(figure, file)


@far_is_nothing()
def clouds(path: Any, file: Path) -> Path:
    """A Swiss roll on its way to noise, and noise on its way back by the exact network, at equal steps of the time."""
    generator = torch.Generator().manual_seed(1)
    drawn = pr.toys.SwissRoll().columns(1000, generator)
    roll, place = drawn["x"] / 1.3, drawn["c"][:, 0]
    model = pr.Diffusion("x", ExactData(path, roll[:500], 0.03), path=path, predicts="data", event_shape=(2,))
    times = torch.linspace(0, 1, SNAPSHOTS, dtype=torch.float64)
    noise = torch.randn(roll.shape, generator=generator)
    there = [path.perturb(roll, noise, t.expand(len(roll))) for t in times]
    grid = model.times(BACK)
    ways = model.sample(n=len(roll), solver=BACK, trajectory=True, generator=generator)["x"]
    back = [ways[min(range(len(grid)), key=lambda k: abs(grid[k] - float(t)))] for t in times]
    figure, _ = blank(SNAPSHOTS, side=1.7, ratio=1.95)
    figure.clear()
    rows = figure.subplots(2, SNAPSHOTS)
    nearest = torch.cdist(ways[-1], roll).argmin(1)
    for axes, states, colours in ((rows[0], there, place), (rows[1], back, place[nearest])):
        for ax, state, t in zip(axes, states, times, strict=True):
            ax.scatter(
                *(state / _size(path, t)).T.numpy(), s=3, c=colours.numpy(), cmap="turbo", linewidths=0, alpha=0.7
            )
            ax.set(xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), xticks=[], yticks=[], aspect="equal")
            for spine in ax.spines.values():
                spine.set_color("#d0d5da")
    for ax, t in zip(rows[0], times, strict=True):
        titled(ax, f"t = {float(t):.1f}")
    rows[0][0].set_ylabel("to noise →", fontsize=10, color=INK)
    rows[1][0].set_ylabel("← to data", fontsize=10, color=INK)
    return finished(figure, file)


def _size(path: Any, t: Any) -> float:
    """By how much a state is drawn smaller, so that all times fit: its standard deviation for data of size one."""
    return float((path.alpha(t) ** 2 + path.sigma(t) ** 2).sqrt())

"""What a generative model does, drawn with the network that it would have learned if training had no end.

A function per model, by the name of its file; a model without one is fitted for a moment and shown beside the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from exact import Average, ExactData, ExactFlow, ExactPairs, ExactTokens, First, Jump, far_is_nothing
from strips import grid_of, river, sheet, strip
from torch import Tensor

import probrl as pr
from probrl.data.coupling import optimal_coupling
from probrl.data.entropic import entropic_coupling
from probrl.pictures import draw_density, draw_samples
from probrl.statistics import straightness

Drawn = Iterable[tuple[Path, str]]
WIDTH = 0.05


@far_is_nothing()
def drawn(name: str, folder: Path) -> list[tuple[Path, str]]:
    """The pictures of a model, and what they show."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return list(PICTURES.get(name, fitted(name))(folder))


def data(name: str, rows: int = 600) -> Tensor:
    return pr.toys.toy(name).sample(rows, torch.Generator().manual_seed(1))


def along(cls: Any, path: Any, points: Tensor, **options: Any) -> Any:
    """A model whose network is the exact one for these points."""
    return cls("x", ExactData(path, points, WIDTH), path=path, predicts="data", event_shape=(2,), **options)


def diffusion(folder: Path) -> Drawn:
    roll = data("swiss_roll") / 1.3
    mu = along(pr.Diffusion, pr.paths.LinearVP(), roll)
    noise = torch.randn(800, 2)
    asked = {
        f"{type(solver).__name__}, {solver.steps} steps": mu.sample(start=noise, solver=solver)["x"]
        for kind in (pr.solvers.Euler, pr.solvers.DDIM, pr.solvers.DPM)
        for solver in (kind(5), kind(10), kind(20))
    }
    yield (
        grid_of(asked, 3, folder / "steps.png"),
        (
            "The same noise by three solvers in 5, 10 and 20 steps, one call of the network each: DPM-Solver++ is there soonest."
        ),
    )
    eight = pr.toys.EightGaussians().columns(4000, torch.Generator().manual_seed(1))
    centres = eight["c"].T @ eight["x"] / eight["c"].sum(0)[:, None]
    width = float((eight["x"] - eight["c"] @ centres).std())
    path = pr.paths.LinearVP()
    p = pr.Diffusion("x", ExactData(path, centres, width), path=path, predicts="data", event_shape=(2,))
    flow = pr.solvers.RK4(12, grid="quadratic")
    yield (
        draw_density(
            lambda x: p.get_log_prob({"x": x}, solver=flow), eight["x"], folder / "density.png", resolution=90
        ),
        ("Data, and the density of the model: noise's own, carried along the flow, with the exact divergence."),
    )


def flow(folder: Path) -> Drawn:
    moons, noise = data("two_moons", 1200), torch.randn(1200, 2)
    start = noise[optimal_coupling(moons, noise)]
    pairs = ExactPairs(moons, start, sigma=0.0, width=0.08)
    models = {
        "independent": along(pr.Flow, pr.paths.Linear(), moons),
        "optimal": pr.Flow("x", First(pairs), event_shape=(2,)),
    }
    ways, few = {}, {}
    for title, v in models.items():
        way = v.sample(start=start[:500], solver=pr.solvers.Euler(60), trajectory=True)["x"]
        ways[f"{title} coupling: straightness {float(straightness(way)):.2f}"] = way
        for k in (1, 2, 4, 8):
            few[f"{title}, {k} step{'s' * (k > 1)}"] = v.sample(start=start[:800], solver=pr.solvers.Euler(k))["x"]
    yield (
        strip(ways, folder / "flow.png", base=moons),
        "Ways from noise (dark) to data (red) by the exact velocity. Those that are coupled by optimal transport cross "
        "less, so that the flow is straighter.",
    )
    yield grid_of(few, 4, folder / "steps.png"), "Euler's method in a few steps: a straighter flow needs fewer."


def bridge(folder: Path) -> Drawn:
    moons, eight, sigma = data("two_moons", 1000), data("eight_gaussians", 1000), 0.6
    orders = {
        "independent coupling": torch.arange(1000),
        "entropic coupling": entropic_coupling(moons, eight, torch.rand(1000), 2 * sigma**2),
    }
    steps, ways, clock = pr.solvers.EulerMaruyama(100), {}, torch.linspace(1, 0, 101)
    for title, order in orders.items():
        b = pr.Bridge("x", ExactPairs(moons, eight[order], sigma, width=0.06), sigma=sigma, event_shape=(2,))
        ways[title] = b.sample(start=eight[order][:500], solver=steps, trajectory=True)["x"]
    way = ways["entropic coupling"]
    shown = {f"t = {t:.1f}": way[int((clock - t).abs().argmin())] for t in (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)}
    yield (
        grid_of(shown, 6, folder / "states.png", colours=way[0]),
        "From eight heaps to two moons, with the noise of the process. A point keeps the colour of where it began: the "
        "Schroedinger bridge brings it to what is near.",
    )
    yield (
        strip(ways, folder / "ways.png", base=moons, lines=45),
        "Ways of the process, from dark to red. With the entropic coupling it strays as little as its noise lets it.",
    )


def consistency(folder: Path) -> Drawn:
    path = pr.paths.EDM()
    heaps = torch.tensor([[-1.0], [0.0], [0.8]])
    ends = ExactFlow(ExactData(path, heaps, 0.08), steps=24, nearest=0.0)
    yield (
        river(path, ends, folder / "function.png"),
        (
            "On the line, for three heaps: the colour is what the network says, the end of the flow through (t, x). White are ways "
            "of the flow: along each of them the answer is one. States are drawn at equal size at all times."
        ),
    )
    roll = data("swiss_roll") / 1.3
    exact = ExactData(path, roll, 0.03)
    f = pr.ConsistencyModel("x", pr.networks.TimeMLP(2))
    f = pr.ConsistencyModel("x", Jump(f, ExactFlow(exact, steps=24, nearest=0.0)), event_shape=(2,))
    noise = torch.randn(900, 2)
    once, twice = (f.sample(start=80 * noise, steps=k)["x"] for k in (1, 3))
    states = {"noise": noise, "one call": once, "three calls": twice}
    yield (
        grid_of(states, 3, folder / "calls.png", colours=once, size=2.4),
        (
            "In the plane: noise, its ends by one call, and by three, with fresh noise in between. Colours are those of the ends of one call."
        ),
    )


def mean_flow(folder: Path) -> Drawn:
    roll = data("swiss_roll")
    exact = ExactFlow(ExactData(pr.paths.Linear(), roll, 0.03), steps=16)
    u = pr.MeanFlow("x", Average(exact), event_shape=(2,))
    noise = torch.randn(110, 2)
    ways = {f"{k} call{'s' * (k > 1)}": u.sample(start=noise, steps=k, trajectory=True)["x"] for k in (1, 2, 4)} | {
        "the flow": exact_way(exact, noise)
    }
    yield (
        strip(ways, folder / "calls.png", base=roll, side=3.3),
        (
            "An average velocity is the chord of the flow: one call of any length ends where the flow ends, and the corners of "
            "more calls lie on it."
        ),
    )


def exact_way(exact: ExactFlow, noise: Tensor, steps: int = 20) -> Tensor:
    """States of the flow at equal times."""
    clock = torch.linspace(1, 0, steps + 1)
    states = [noise]
    for t, r in pairwise(clock):
        states.append(exact(states[-1], t.expand(len(noise)), r.expand(len(noise))))
    return torch.stack(states)


def discrete(folder: Path) -> Drawn:
    shapes = ExactTokens()
    p = pr.DiscreteFlow(
        "x", shapes, classes=shapes.classes, event_shape=shapes.event_shape, solver=pr.solvers.Euler(128)
    )
    way = p.sample(n=8, trajectory=True)["x"]
    moments = (1.0, 0.9, 0.8, 0.7, 0.5, 0.3, 0.0)
    states = [way[round((1 - t) * (len(way) - 1))] for t in moments]
    yield (
        sheet(states, [f"t = {t:.1f}" for t in moments], folder / "tokens.png"),
        (
            "Pictures of tokens, four classes and a mask (grey). A row is one sample: what is seen stays, and the rest is guessed "
            "by what is seen. The network is the exact one for shapes of three kinds and colours at all places."
        ),
    )


def guidance(folder: Path) -> Drawn:
    path = pr.paths.LinearVP()
    roll = data("swiss_roll") / 1.3
    exact = ExactData(path, roll, WIDTH)
    mu = pr.Diffusion("x", exact, path=path, predicts="data", event_shape=(2,))
    noise = torch.randn(900, 2)
    shown = {"the model": mu.sample(start=noise)["x"]}
    for beta in (1.0, 3.0, 8.0):
        energy = pr.Deterministic("f | x_t, t", exact.energy(lambda x, b=beta: b * x[:, 0]), name="f")
        shown[f"beta = {beta:g}"] = pr.EnergyGuided(mu, energy).sample(start=noise)["x"]
    yield (
        grid_of(shown, 4, folder / "energy.png", size=2.4),
        ("A Swiss roll in proportion to exp(beta x), x to the right, with the exact energy at all times."),
    )
    toy = pr.toys.EightGaussians().columns(400, torch.Generator().manual_seed(1))
    wide = ExactData(path, toy["x"], 0.35, classes=toy["c"])
    told = pr.Diffusion("x | c", wide, path=path, predicts="data", event_shape=(2,), drop=0.1)
    c = torch.eye(8).repeat(100, 1)
    sampled = {f"w = {w:g}": told.guided(w).sample({"c": c})["x"] for w in (0.0, 1.0, 2.0, 4.0)}
    yield (
        grid_of(sampled, 4, folder / "classes.png", colours=c.argmax(1), size=2.4),
        (
            "mu.guided(w), away from what is said without the condition: eight classes by colour. 0 does not heed them, 1 is the "
            "model itself, more exaggerates what tells them apart."
        ),
    )


def fitted(name: str) -> Callable[[Path], Drawn]:
    """Samples of a model that was fitted for a moment, where words are enough to make it."""
    from probrl.training.generating import models

    def drawing(folder: Path) -> Drawn:
        if name in models():
            trainer = pr.GenerativeTrainer(pr.Recipe(name, hidden=(64, 64)), data="two_moons", seed=1, progress=False)
            trainer.learn(1_000)
            samples = trainer.sample(n=1000)["x"]
            yield draw_samples(samples, data("two_moons", 1000), folder / "samples.png"), "Samples after 1,000 steps."

    return drawing


PICTURES: dict[str, Callable[[Path], Drawn]] = {
    f.__name__: f for f in (bridge, consistency, diffusion, discrete, flow, guidance, mean_flow)
}
__all__: Sequence[str] = ["PICTURES", "drawn"]

"""Training steps and sampling of generative models, by hand and by probrl, measured in turns.

python -m tests.benchmarks.generative_speed
"""

from __future__ import annotations

import copy
import os
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn

import probrl as pr
from tests.benchmarks.timing import Contestant, medians, table

BATCH, LR, STEPS = 512, 1e-3, 15
POINTS = (256, 8)


def network() -> nn.Module:
    torch.manual_seed(0)
    return pr.networks.TimeMLP(2, hidden=(256, 256, 256))


def by_hand(net: nn.Module, x: Tensor, predicts: str) -> Contestant:
    """The matching loss as it is usually typed: noise by linear VP, velocity by the straight line."""
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=True)
    low, high = 0.1, 20.0

    def update() -> Tensor:
        t, e = torch.rand(len(x)), torch.randn_like(x)
        if predicts == "noise":
            log_alpha = (-0.25 * t**2 * (high - low) - 0.5 * t * low).unsqueeze(-1)
            x_t, target = log_alpha.exp() * x + (1 - (2 * log_alpha).exp()).sqrt() * e, e
        else:
            s = t.unsqueeze(-1)
            x_t, target = (1 - s) * x + s * e, e - x
        loss = (net(x_t, t, None) - target).square().sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Contestant(update)


def by_probrl(model: Any, x: Tensor, backend: str) -> Contestant:
    symbol = pr.symbols("x")
    loss = pr.mean(model.matching(symbol))
    step = pr.Minimize(loss, wrt=model, optimizer=pr.Adam(LR)).compile(backend=backend)
    return Contestant(lambda: step({"x": x}))


def training() -> dict[str, dict[str, float]]:
    x = torch.randn(BATCH, 2)
    found = {}
    for kind, predicts in ((pr.Diffusion, "noise"), (pr.Flow, "velocity")):
        nets = [copy.deepcopy(network()) for _ in range(3)]
        contestants = {
            "by hand": by_hand(nets[0], x, predicts),
            "probrl, eager": by_probrl(kind("x", nets[1]), x, "eager"),
            "probrl, compiled": by_probrl(kind("x", nets[2]), x, "inductor"),
        }
        found[kind.__name__] = medians(contestants, rounds=40, seconds=0.05)
    return found


def loop_by_hand(net: nn.Module, n: int) -> Contestant:
    """DPM-Solver++ of order 2, multistep, for a network that predicts the noise, with its numbers in lists."""
    path = pr.paths.LinearVP()
    model = pr.Diffusion("x", net)
    times = torch.tensor(model.times(pr.solvers.DPM(STEPS)), dtype=torch.float64)
    alpha, sigma = (torch.as_tensor(f(times), dtype=torch.float64) for f in (path.alpha, path.sigma))
    half = (alpha / sigma).log()
    a, s, h = alpha.tolist(), sigma.tolist(), half.diff().tolist()
    at = times.float().tolist()

    @torch.no_grad()
    def sample() -> Tensor:
        x = torch.randn(n, 2) * s[0]
        before = None
        for k in range(STEPS):
            data = (x - s[k] * net(x, torch.full((n,), at[k]), None)) / a[k]
            if before is None or k == STEPS - 1:
                d = data
            else:
                r = h[k - 1] / h[k]
                d = (1 + 0.5 / r) * data - 0.5 / r * before
            shrink = torch.expm1(torch.tensor(-h[k])).item()
            x = s[k + 1] / s[k] * x - a[k + 1] * shrink * d
            before = data
        return x

    return Contestant(sample)


def sampling() -> dict[str, dict[str, float]]:
    found = {}
    for n in POINTS:
        net = network()
        model = pr.Diffusion("x", net, solver=pr.solvers.DPM(STEPS))
        contestants = {"by hand": loop_by_hand(net, n), "probrl, eager": Contestant(lambda m=model, n=n: m.sample(n=n))}
        contestants["probrl, compiled"] = Contestant(lambda m=model, n=n: m.sample(n=n, compiled=True))
        found[f"{STEPS} steps of DPM++, {n} points"] = medians(contestants, rounds=40, seconds=0.05)
    return found


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    for name, result in {**training(), **sampling()}.items():
        print(table(name, result, "by hand"), flush=True)


if __name__ == "__main__":
    main()

"""Training steps and sampling of generative models, by hand and by probrl, measured in turns.

python -m tests.benchmarks.generative_speed [--threads 1]

By hand there are three training steps, with torch's fused Adam, with the one that ``torch.optim.Adam(parameters)`` is, and
with that one and what a step of probrl does besides: it gives the norm of the gradient and refuses what is not finite.
"Products alone" are the matrix products of one step, on tensors that lie ready: no step in single precision takes less,
so that its row says what could be reached at most.
"""

from __future__ import annotations

import argparse
import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn

import probrl as pr
from tests.benchmarks.timing import Contestant, medians, table

BATCH, LR, STEPS = 512, 1e-3, 15
POINTS = (256, 8)


def network() -> nn.Module:
    torch.manual_seed(0)
    return pr.networks.TimeMLP(2, hidden=(256, 256, 256))


def by_hand(net: nn.Module, x: Tensor, predicts: str, fused: bool | None = True, guarded: bool = False) -> Contestant:
    """The matching loss as it is usually typed: noise by linear VP, velocity by the straight line."""
    parameters = list(net.parameters())
    optimizer = torch.optim.Adam(parameters, lr=LR, fused=fused)
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
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters]) if guarded else None
        if norm is None or torch.isfinite(norm + loss):
            optimizer.step()
        return loss.detach()

    return Contestant(update)


def products_alone(net: nn.Module) -> Contestant:
    """The products of one step: forward, of the weights' gradients, and of the inputs' but the first's."""
    weights = [layer.weight.detach() for layer in net.modules() if isinstance(layer, nn.Linear)]
    inputs, outputs = ([torch.randn(BATCH, w.shape[i]) for w in weights] for i in (1, 0))

    def multiply() -> None:
        for i, (w, x, g) in enumerate(zip(weights, inputs, outputs, strict=True)):
            torch.mm(x, w.t())
            torch.mm(g.t(), x)
            if i:
                torch.mm(g, w)

    return Contestant(multiply)


def by_probrl(model: Any, x: Tensor, backend: str) -> Contestant:
    symbol = pr.symbols("x")
    loss = pr.mean(model.matching(symbol))
    step = pr.Minimize(loss, wrt=model, optimizer=pr.Adam(LR)).compile(backend=backend)
    return Contestant(lambda: step({"x": x}))


def training() -> dict[str, dict[str, float]]:
    x = torch.randn(BATCH, 2)
    found = {}
    for kind, predicts in ((pr.Diffusion, "noise"), (pr.Flow, "velocity")):
        nets = [copy.deepcopy(network()) for _ in range(5)]
        contestants = {
            "by hand": by_hand(nets[0], x, predicts),
            "by hand, default Adam": by_hand(nets[1], x, predicts, fused=None),
            "by hand, the same work": by_hand(nets[4], x, predicts, fused=None, guarded=True),
            "probrl, eager": by_probrl(kind("x", nets[2]), x, "eager"),
            "probrl, compiled": by_probrl(kind("x", nets[3]), x, "inductor"),
            "products alone": products_alone(nets[0]),
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    warnings.filterwarnings("ignore")
    for name, result in {**training(), **sampling()}.items():
        print(table(name, result, "by hand"), flush=True)


if __name__ == "__main__":
    main()

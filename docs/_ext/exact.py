"""The networks that training would find if it had no end: exact for data that are many small Gaussians.

A picture made with them shows what a path, a solver or a model does, and nothing of how well a network was fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

import probrl as pr

SAID = (
    "Nothing is trained in these pictures: for such data the network that every objective looks for is known in closed "
    "form, and the solvers of the package draw with it."
)


@contextmanager
def far_is_nothing() -> Iterator[None]:
    """The belief in points that are far away is 0 at once: numbers that are nearly 0 take ten times as long."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def over(c: Tensor, x: Tensor) -> Tensor:
    """Numbers per row (B,), shaped to multiply rows (B, ...)."""
    return c.reshape(-1, *(1,) * (x.dim() - 1))


class ExactData(nn.Module):
    """E[x_0 | x_t] along a path, for data that are Gaussians of one width about given points (k, d).

    With classes (k, c), one-hot, a condition keeps the points of its class; zeros keep all.
    """

    def __init__(self, path: Any, points: Tensor, width: float, classes: Tensor | None = None):
        super().__init__()
        self.path, self.width, self.classes = path, width, classes
        self.register_buffer("points", points)
        self.unused = nn.Parameter(torch.zeros(()))  # a model asks its network for dtype and device

    def belief(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """How likely each point is where x_t came from, (B, k)."""
        a, s = self.path.alpha(t)[:, None], self.path.sigma(t)[:, None]
        distance = (a * self.points.square().sum(1) - 2 * (x @ self.points.T)) * a  # and |x|^2, the same for all points
        close = -distance / (2 * ((a * self.width) ** 2 + s**2))
        if condition is not None and self.classes is not None:
            kept = (condition @ self.classes.T > 0.5) | (condition.sum(1, keepdim=True) < 0.5)
            close = close.masked_fill(~kept, -torch.inf)
        return torch.softmax(close, 1)

    def forward(self, x: Tensor, t: Tensor, condition: Any = None) -> Tensor:
        a, s = self.path.alpha(t)[:, None], self.path.sigma(t)[:, None]
        mean = self.belief(x, t, condition) @ self.points
        found: Tensor = mean + a * self.width**2 / ((a * self.width) ** 2 + s**2) * (x - a * mean)
        return found

    def energy(self, reward: Callable[[Tensor], Tensor]) -> nn.Module:
        """ln E[exp(r(x_0)) | x_t]: the energy that makes samples in proportion to data times exp(r)."""
        return Energy(self, reward(self.points))


class Energy(nn.Module):
    """The logarithm of the mean of exp(reward) over the points that x_t may come from."""

    def __init__(self, data: ExactData, rewards: Tensor):
        super().__init__()
        self.data, self.rewards = data, rewards

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        top = self.rewards.max()
        mean = self.data.belief(x, t.reshape(-1)) @ (self.rewards - top).exp()
        return (mean.clamp(min=1e-30).log() + top)[:, None]


class ExactPairs(nn.Module):
    """The displacement and the noise of Brownian bridges between pairs (x_i, y_i), each a little blurred.

    Where pairs are far the nearest one counts, so that a start that is in no pair is brought along with its neighbours.
    """

    def __init__(self, ends: Tensor, starts: Tensor, sigma: float, width: float):
        super().__init__()
        self.ends, self.starts, self.sigma, self.width = ends, starts, sigma, width
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, t: Tensor, condition: Any = None) -> tuple[Tensor, Tensor]:
        t = t[:, None, None]
        away = x[:, None] - (1 - t) * self.ends - t * self.starts
        variance = self.sigma**2 * t * (1 - t)
        belief = torch.softmax(-away.square().sum(2, keepdim=True) / (2 * (variance + self.width**2)), 1)
        displacement = (belief * (self.starts - self.ends)).sum(1)
        noise = (belief * away).sum(1) * (variance.sqrt() / (variance + self.width**2))[:, 0]
        return displacement, noise


class First(nn.Module):
    """The first of what a network says: of pairs the displacement, which is the velocity of a flow between them."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, t: Tensor, condition: Any = None) -> Tensor:
        return self.network(x, t, condition)[0]


class ExactFlow(nn.Module):
    """Where the flow through a point at one time is at another, by Runge-Kutta steps of the exact velocity."""

    def __init__(self, data: ExactData, steps: int = 16, nearest: float = 1e-3):
        super().__init__()
        self.data, self.steps, self.nearest = data, steps, nearest

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        t = t.clamp(self.nearest, 1 - self.nearest)
        return self.data.path.convert(self.data(x, t), x, t, source="data", target="velocity")

    def forward(self, x: Tensor, t: Tensor, r: Tensor) -> Tensor:
        h = (r - t) / self.steps
        for k in range(self.steps):
            now = t + k * h
            one = self.velocity(x, now)
            two = self.velocity(x + over(h / 2, x) * one, now + h / 2)
            three = self.velocity(x + over(h / 2, x) * two, now + h / 2)
            four = self.velocity(x + over(h, x) * three, now + h)
            x = x + over(h / 6, x) * (one + 2 * two + 2 * three + four)
        return x


class Jump(nn.Module):
    """The network inside a consistency model whose answers are the ends of a flow."""

    def __init__(self, model: Any, flow: ExactFlow):
        super().__init__()
        t = pr.symbols("t", rank=0)
        self.shares, self.flow = [share(t) for share in (model.c_in, model.c_skip, model.c_out)], flow

    def forward(self, seen: Tensor, t: Tensor, condition: Any = None) -> Tensor:
        c_in, c_skip, c_out = (over(share({"t": t}), seen) for share in self.shares)
        x = seen / c_in
        return (self.flow(x, t, torch.zeros_like(t)) - c_skip * x) / c_out


class Average(nn.Module):
    """The average velocity of a flow between t and the condition "r"."""

    def __init__(self, flow: ExactFlow):
        super().__init__()
        self.flow = flow

    def forward(self, x: Tensor, t: Tensor, condition: Any) -> Tensor:
        r = condition["r"].reshape(-1)
        return (x - self.flow(x, t, r)) / over((t - r).clamp(min=1e-6), x)


class ExactTokens(nn.Module):
    """The chances of hidden tokens given the seen ones, for small pictures of shapes: a mean over all that fit."""

    shapes = ("01110 10001 10001 10001 01110", "11111 11111 11111 11111 11111", "00100 01110 11111 01110 00100")
    classes, side = 4, 9
    event_shape = (9, 9)

    def __init__(self) -> None:
        super().__init__()
        every = []
        for number, shape in enumerate(self.shapes):
            drawn = torch.tensor([[int(c) for c in line] for line in shape.split()])
            for place in range((self.side - 4) ** 2):
                row, column = divmod(place, self.side - 4)
                canvas = torch.zeros(self.side, self.side, dtype=torch.long)
                canvas[row : row + 5, column : column + 5] = drawn * (number + 1)
                every.append(canvas)
        known = torch.nn.functional.one_hot(torch.stack(every).flatten(1), self.classes).float()
        self.register_buffer("known", known)
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, t: Tensor, condition: Any = None) -> Tensor:
        seen = torch.nn.functional.one_hot(x.flatten(1), self.classes + 1)[..., : self.classes].float()
        fits = torch.einsum("bic,kic->bk", seen, self.known)  # tokens that are guessed at one time may not go together,
        share = torch.softmax(20 * fits, 1)  # so what fits best is taken for what fits
        chances = torch.einsum("bk,kic->bic", share, self.known)
        return chances.clamp(min=1e-12).log().reshape(*x.shape, self.classes)

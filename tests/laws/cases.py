"""A thousand random formulas with their true values and gradients, worked out once and shared by the laws."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from probrl.expr.base import Expr
from tests.laws.generator import SIZES, Generator, World
from tests.laws.interpreter import Interpreter

COUNT = 1000
CLOSE = 1e-6  # the largest disagreement; also how near to a kink a formula may come to be judged


@dataclass(frozen=True, eq=False)
class Case:
    """A formula, the noise that it is run with, and what the independent interpreter makes of it."""

    seed: int
    expr: Expr
    noise: dict[Expr, Tensor]
    truth: Interpreter
    output: Tensor
    value: float
    gradients: tuple[Tensor, ...]

    @property
    def scale(self) -> float:
        """How large its numbers are; disagreements are relative to it where it is above one."""
        return 1 + max([abs(self.value), *(float(g.abs().max()) for g in self.gradients)])

    def error(self, value: Tensor, gradients: tuple[Tensor | None, ...]) -> float:
        """The largest disagreement with the truth, in value or in gradient; inf for what is not a number."""
        found = [abs(float(value) - self.value)]
        pairs = zip(self.gradients, gradients, strict=True)
        found += [float((g if h is None else g - h).abs().max()) for g, h in pairs]
        worst = max(found) / self.scale
        return worst if worst == worst and not any(x != x for x in found) else float("inf")


@cache
def world() -> World:
    """What the formulas speak of."""
    return World(seed=0)


_found: list[Case] = []
_seeds = itertools.count()


def cases(count: int = COUNT) -> list[Case]:
    """The first formulas away from kinks, with finite values, their truth worked out; as many as are asked for."""
    while len(_found) < count:
        case = make(next(_seeds))
        if case is not None:
            _found.append(case)
    return _found[:count]


def make(seed: int) -> Case | None:
    """The formula of a seed, or None when it stands on a kink or its numbers are too large to judge."""
    here = world()
    expr = Generator(here, random.Random(seed)).formula(seed, depth=2)
    noise = here.draws(expr, seed)
    truth = Interpreter(here.batch, noise, sizes=SIZES)
    output = truth(expr)
    parameters = here.parameters()
    case = Case(seed, expr, noise, truth, output, float(output.detach()), gradients(output, parameters))
    judged = truth.closest > CLOSE and case.scale < 1e5  # also false for nan
    return case if judged else None


def gradients(output: Tensor, parameters: list[Tensor]) -> tuple[Tensor, ...]:
    """The gradients of a scalar, zero where nothing depends on a parameter."""
    if not output.requires_grad:
        return tuple(torch.zeros_like(p) for p in parameters)
    found = torch.autograd.grad(output, parameters, allow_unused=True, retain_graph=True)
    return tuple(torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True))

"""The exact network for Gaussian data, and what a solver does to a Gaussian: means and covariances, without sampling."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

import numpy as np
import torch

from probrl import solvers
from probrl.solvers import Adaptive, Solver
from probrl.solvers.runge_kutta import RungeKutta
from probrl.solvers.schedule import values
from probrl.solvers.scheme import advance, of_step

REAL = torch.float64


def _walked():
    for module in pkgutil.iter_modules(solvers.__path__):
        for _, kind in inspect.getmembers(import_module(f"probrl.solvers.{module.name}"), inspect.isclass):
            if issubclass(kind, Solver) and kind not in (Solver, RungeKutta) and kind.__module__.endswith(module.name):
                yield kind


KINDS = list(_walked())
EXAMPLES = {solver.said: solver for kind in KINDS for solver in kind.examples() if not isinstance(solver, Adaptive)}


class Gaussian:
    """Data N(m, C); what the exact network says of it along a path."""

    def __init__(self, mean, cov):
        self.mean, self.cov = torch.tensor(mean, dtype=REAL), torch.tensor(cov, dtype=REAL)

    def at(self, path, t: float):
        """The mean and the covariance of x_t."""
        a, s = path.alpha(t), path.sigma(t)
        return a * self.mean, a**2 * self.cov + s**2 * torch.eye(len(self.mean), dtype=REAL)

    def predict(self, path, kind: str, x, t: float):
        """The expectation of the data and of the noise behind x, as a prediction."""
        mean, cov = self.at(path, t)
        gap = torch.linalg.solve(cov, (x - mean).T).T
        data, noise = self.mean + path.alpha(t) * gap @ self.cov, path.sigma(t) * gap
        if kind == "score":
            return -gap
        return path.target(kind, data, noise, t)


ONE = Gaussian([1.0], [[0.09]])
THREE = Gaussian([1.0, -0.5, 0.3], [[0.25, 0.1, 0.0], [0.1, 0.16, -0.05], [0.0, -0.05, 0.09]])


class OnAPath:
    """A model with the exact network, as solvers use one: the numbers that turn what it says into what they ask for."""

    def __init__(self, path, predicts: str, data: Gaussian):
        self.path, self.predicts, self.data = path, predicts, data

    def numbers(self, scheme, stage: int):
        if scheme.target != "drift":
            return self._numbers(scheme.target, scheme.stages[stage])
        (a, b), (c, d) = (self._numbers(k, scheme.stages[stage]) for k in ("velocity", "noise"))
        return a + scheme.churn[stage] * c, b + scheme.churn[stage] * d

    def _numbers(self, target: str, t):
        found = self.path.conversion(self.predicts, target)
        return [np.full(len(t), float(c)) if isinstance(c, int) else values(c, t) for c in found]

    def field(self, scheme, k: int):
        numbers = [self.numbers(scheme, i) for i in range(len(scheme.stages))]

        def said(stage: int, x):
            m = self.data.predict(self.path, self.predicts, x, float(scheme.stages[stage][k]))
            a, b = (float(c[k]) for c in numbers[stage])
            return (a * x if a else 0) + b * m

        return said


def carried(model: OnAPath, scheme, mean, cov):
    """The mean and the covariance after all steps of what begins as N(mean, cov): every step is affine."""
    d = len(mean)
    basis = torch.cat([torch.zeros(1, d, dtype=REAL), torch.eye(d, dtype=REAL)])
    if scheme.memory:  # only all steps together are a function of the start
        x, past = basis, []
        for k in range(scheme.steps):
            taken = advance(scheme, of_step(k), x, model.field(scheme, k), past)
            x, past = taken.mean, [taken.predictions[0], *past][: scheme.memory]
        return x[0] + mean @ (x[1:] - x[0]), (x[1:] - x[0]).T @ cov @ (x[1:] - x[0])
    for k in range(scheme.steps):
        taken = advance(scheme, of_step(k), basis, model.field(scheme, k))
        shift, matrix = taken.mean[0], taken.mean[1:] - taken.mean[0]
        mean, cov = shift + mean @ matrix, matrix.T @ cov @ matrix + float(taken.scale) ** 2 * torch.eye(d, dtype=REAL)
    return mean, cov


def carried_on_a_line(scheme, says, variance: float):
    """The mean and the variance after all steps of what begins as N(0, variance), in one dimension, fast.

    ``says(stage)`` is what the solver is told, as two columns of numbers: at 0, and how it grows with x.
    """
    said = [says(i) for i in range(len(scheme.stages))]
    mean, start, x, past = 0.0, variance, np.array([0.0, 1.0]), []
    for k in range(scheme.steps):
        point = x if scheme.memory else np.array([0.0, 1.0])
        taken = advance(scheme, of_step(k), point, lambda i, y, k=k: said[i][0][k] + said[i][1][k] * y, past)
        x, past = taken.mean, [taken.predictions[0], *past][: scheme.memory]
        if not scheme.memory:
            slope = x[1] - x[0]
            mean, variance = x[0] + slope * mean, slope**2 * variance + float(taken.scale) ** 2
    return (x[0], (x[1] - x[0]) ** 2 * start) if scheme.memory else (mean, variance)


def carried_in_space(scheme, says, cov):
    """The mean and the covariance after all steps of what begins as N(0, cov), in d dimensions.

    ``says(stage)`` is what the solver is told at 0 and at the unit vectors, ``(steps, d + 1, d)``: all else is affine.
    """
    said, d = [says(i) for i in range(len(scheme.stages))], len(cov)
    basis = np.concatenate([np.zeros((1, d)), np.eye(d)])
    mean, begun, x, past = np.zeros(d), cov, basis, []
    for k in range(scheme.steps):
        told = [(s[k, 0], s[k, 1:] - s[k, 0]) for s in said]
        point = x if scheme.memory else basis
        taken = advance(scheme, of_step(k), point, lambda i, y, told=told: told[i][0] + y @ told[i][1], past)
        x, past = taken.mean, [taken.predictions[0], *past][: scheme.memory]
        if not scheme.memory:
            matrix = x[1:] - x[0]
            mean, cov = x[0] + mean @ matrix, matrix.T @ cov @ matrix + float(taken.scale) ** 2 * np.eye(d)
    matrix = x[1:] - x[0]
    return (x[0], matrix.T @ begun @ matrix) if scheme.memory else (mean, cov)

"""Euler's method."""

from __future__ import annotations

from dataclasses import dataclass

from probrl.solvers.runge_kutta import RungeKutta


@dataclass(frozen=True)
class Euler(RungeKutta):
    """x' = x + h v(x, t): one evaluation a step. Source: Euler 1768."""

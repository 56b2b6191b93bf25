"""Solvers from noise to data: one file each, numbers for a linear step. They see times, velocities and predictions."""

from probrl.solvers.adaptive import Adaptive
from probrl.solvers.base import Solver, own_times
from probrl.solvers.ddim import DDIM, ancestral
from probrl.solvers.dpm import DPM
from probrl.solvers.euler import Euler
from probrl.solvers.euler_maruyama import EulerMaruyama
from probrl.solvers.heun import Heun
from probrl.solvers.midpoint import Midpoint
from probrl.solvers.rk4 import RK4
from probrl.solvers.schedule import Schedule
from probrl.solvers.scheme import Scheme, advance, of_step, solve
from probrl.solvers.stochastic_heun import StochasticHeun

__all__ = [
    "DDIM", "DPM", "RK4", "Adaptive", "Euler", "EulerMaruyama", "Heun", "Midpoint", "Schedule", "Scheme", "Solver",
    "StochasticHeun", "advance", "ancestral", "of_step", "own_times", "solve",
]  # fmt: skip

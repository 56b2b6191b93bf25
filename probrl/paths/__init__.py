"""Paths from data to noise: two formulas in ``t`` each, and everything that sympy derives from them."""

from probrl.paths.circle import Circle
from probrl.paths.cosine_vp import CosineVP
from probrl.paths.edm import EDM
from probrl.paths.gaussian import GaussianPath
from probrl.paths.gvp import GVP
from probrl.paths.linear import Linear
from probrl.paths.linear_vp import LinearVP
from probrl.paths.parabola import Parabola
from probrl.paths.time import t
from probrl.paths.uniform_snr import UniformSNR
from probrl.paths.ve import VE

__all__ = [
    "EDM", "GVP", "VE", "Circle", "CosineVP", "GaussianPath", "Linear", "LinearVP", "Parabola", "UniformSNR", "t",
]  # fmt: skip

"""Generative models as conditional distributions: a path, a network, a solver."""

from probrl.generative.adjoint import adjoint_matching
from probrl.generative.bridge import Bridge
from probrl.generative.consistency import ConsistencyModel
from probrl.generative.diffusion import Diffusion
from probrl.generative.discrete import DiscreteFlow
from probrl.generative.flow import Flow
from probrl.generative.guidance import EnergyGuided
from probrl.generative.jumps import Averages, Jumps
from probrl.generative.mean_flow import MeanFlow
from probrl.generative.model import Model
from probrl.generative.proof import prove_equal

__all__ = [
    "Averages", "Bridge", "ConsistencyModel", "Diffusion", "DiscreteFlow", "EnergyGuided", "Flow", "Jumps", "MeanFlow", "Model",
    "adjoint_matching", "prove_equal",
]  # fmt: skip

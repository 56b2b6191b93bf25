"""Generative models as conditional distributions: a path, a network, a solver."""

from probrl.generative.adjoint import adjoint_matching
from probrl.generative.bridge import Bridge
from probrl.generative.diffusion import Diffusion
from probrl.generative.flow import Flow
from probrl.generative.guidance import EnergyGuided
from probrl.generative.model import Model

__all__ = ["Bridge", "Diffusion", "EnergyGuided", "Flow", "Model", "adjoint_matching"]

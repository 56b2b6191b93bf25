"""Generative models as conditional distributions: a path, a network, a solver."""

from probrl.generative.diffusion import Diffusion
from probrl.generative.flow import Flow
from probrl.generative.model import Model

__all__ = ["Diffusion", "Flow", "Model"]

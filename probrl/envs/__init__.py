"""Environments: the only package that imports gymnasium."""

from probrl.envs.make import EnvLike, listed, make, repeatable
from probrl.envs.spaces import Continuous, Discrete, Observation, Spaces, read_spaces
from probrl.envs.vector import Environments, EpisodeLog, Transition

__all__ = [
    "Continuous",
    "Discrete",
    "EnvLike",
    "Environments",
    "EpisodeLog",
    "Observation",
    "Spaces",
    "Transition",
    "listed",
    "make",
    "read_spaces",
    "repeatable",
]

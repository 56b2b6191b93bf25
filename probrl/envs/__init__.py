"""Environments: the only package that imports gymnasium."""

from probrl.envs.copies import Wrapping
from probrl.envs.family import family
from probrl.envs.make import VECTORIZATIONS, EnvLike, listed, make, of_copies, repeatable
from probrl.envs.reading import read_spaces
from probrl.envs.spaces import (
    Choices,
    Continuous,
    Discrete,
    Entries,
    MultiBinary,
    MultiDiscrete,
    Observation,
    Seen,
    Spaces,
)
from probrl.envs.vector import Environments, EpisodeLog, Transition

__all__ = [
    "VECTORIZATIONS",
    "Choices",
    "Continuous",
    "Discrete",
    "Entries",
    "EnvLike",
    "Environments",
    "EpisodeLog",
    "MultiBinary",
    "MultiDiscrete",
    "Observation",
    "Seen",
    "Spaces",
    "Transition",
    "Wrapping",
    "family",
    "listed",
    "make",
    "of_copies",
    "read_spaces",
    "repeatable",
]

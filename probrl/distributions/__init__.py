"""Conditional distributions: one file each, their formulas written in the language."""

from probrl.distributions.base import Distribution
from probrl.distributions.categorical import Categorical, OneHot
from probrl.distributions.deterministic import Deterministic
from probrl.distributions.ensemble import ensemble
from probrl.distributions.normal import Normal
from probrl.distributions.tanh_normal import TanhNormal

__all__ = ["Categorical", "Deterministic", "Distribution", "Normal", "OneHot", "TanhNormal", "ensemble"]

"""Conditional distributions: one file each, their formulas written in the language."""

from probrl.distributions.base import Distribution
from probrl.distributions.bernoulli import Bernoulli
from probrl.distributions.beta import Beta
from probrl.distributions.categorical import Categorical, OneHot
from probrl.distributions.deterministic import Deterministic
from probrl.distributions.ensemble import ensemble
from probrl.distributions.expectation import expect
from probrl.distributions.foreign import given, lift
from probrl.distributions.mixture import Mixture
from probrl.distributions.multi_discrete import MultiDiscrete
from probrl.distributions.multivariate_normal import MultivariateNormal
from probrl.distributions.normal import Normal
from probrl.distributions.product import Product
from probrl.distributions.tanh_normal import TanhNormal
from probrl.distributions.uniform import Subset, Uniform

__all__ = [
    "Bernoulli", "Beta", "Categorical", "Deterministic", "Distribution", "Mixture", "MultiDiscrete",
    "MultivariateNormal", "Normal", "OneHot", "Product", "Subset", "TanhNormal", "Uniform", "ensemble", "expect", "given", "lift",
]  # fmt: skip

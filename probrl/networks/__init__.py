"""Networks to begin with; any torch module of the user's serves as well."""

from probrl.networks.cnn import CNN, cnn
from probrl.networks.joining import Chain, Flat, Joined, OneHot
from probrl.networks.mlp import MLP, mlp

__all__ = ["CNN", "MLP", "Chain", "Flat", "Joined", "OneHot", "cnn", "mlp"]

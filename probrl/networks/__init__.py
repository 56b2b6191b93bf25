"""Networks to begin with; any torch module of the user's serves as well."""

from probrl.networks.mlp import MLP, mlp

__all__ = ["MLP", "mlp"]

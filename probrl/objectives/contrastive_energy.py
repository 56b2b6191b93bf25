"""Contrastive energy prediction."""

from typing import Any

from probrl.expr.definition import definition
from probrl.expr.operators import log_softmax, softmax, stop_gradient


@definition("contrastive")
def contrastive_energy(f: Any, energy: Any, *, over: str = "k") -> Any:
    r"""A cross-entropy over samples: -sum_k softmax_k(energy) log softmax_k(f).

    ``f`` is a network at noised samples of a behaviour model, ``energy`` a function of the samples themselves. The
    minimiser is the energy at a time, f(x_t, t) = log E[exp energy(x_0) | x_t] up to a constant, whose gradient added to
    the behaviour model's score gives that of the density proportional to mu(x) exp energy(x).

    Args:
        f: what is trained, with the axis.
        energy: of the same samples; no gradient passes to it.
        over: the axis of the samples.

    Source:
        Lu et al. 2023, "Contrastive energy prediction for exact energy-guided diffusion sampling" (QGPO), equation 12.

    Example:
        >>> import torch, probrl as pr
        >>> f, energy = pr.symbols("f energy", axes=pr.Axis("k", data=False))
        >>> pr.contrastive_energy(f, energy)({"f": torch.zeros(1, 2), "energy": torch.tensor([[0.0, 9.0]])})
        tensor([0.6931])
    """
    return -(stop_gradient(softmax(energy, over)) * log_softmax(f, over)).sum(over)

"""Diffusion models."""

from __future__ import annotations

from probrl.generative.model import Model
from probrl.paths import LinearVP
from probrl.solvers import DPM


class Diffusion(Model):
    r"""A conditional distribution sampled by denoising step by step with a network.

    .. math:: x_t = \alpha(t)\, x_0 + \sigma(t)\, \epsilon, \qquad
              \mathcal{L} = \mathbb{E}_{t, \epsilon}\, w(t)\, \| \epsilon_\theta(x_t, t, s) - \epsilon \|^2

    Arguments are those of :class:`Model`; the path is linear VP, the network predicts the noise, and DPM-Solver++ of order
    2 with 15 steps draws from it, unless something else is said.

    Source:
        Ho, Jain and Abbeel 2020, "Denoising diffusion probabilistic models"; Song et al. 2021.

    Example:
        >>> import torch, probrl as pr
        >>> mu = pr.Diffusion("a | s", pr.networks.TimeMLP(2, condition=3), name=r"\mu_\theta")
        >>> s, a = pr.symbols("s a")
        >>> loss = pr.mean(mu(s).matching(a))
        >>> tuple(mu.sample({"s": torch.randn(5, 3)}, n=4)["a"].shape)
        (20, 2)
    """

    family = "Diffusion"
    default_name = r"\mu"
    usual_path = LinearVP
    usual_solver = DPM(15)

"""Networks that are exact for Gaussian data, whatever the path and whatever they predict."""

import torch
from torch import nn


class ExactNormal(nn.Module):
    """The optimal prediction for data N(mean, covariance), in double precision."""

    def __init__(self, path, predicts, mean, covariance):
        super().__init__()
        self.path, self.predicts, self.event_shape = path, predicts, tuple(mean.shape)
        values, vectors = torch.linalg.eigh(covariance.double())
        self.register_buffer("mean", mean.double())
        self.register_buffer("values", values)
        self.register_buffer("vectors", vectors)

    def forward(self, x, t, condition):
        a, s = (f(t.double()).reshape(-1, 1) for f in (self.path.alpha, self.path.sigma))
        y = (x.double() - a * self.mean) @ self.vectors
        total = a**2 * self.values + s**2
        data = self.mean + (a * self.values / total * y) @ self.vectors.T
        noise = (s / total * y) @ self.vectors.T
        return self.path.target(self.predicts, data, noise, t.double()).to(x.dtype)


def normal(dimension):
    """A mean and a covariance that is not diagonal."""
    if dimension == 1:
        return torch.tensor([1.0]), torch.tensor([[0.09]])
    root = torch.tensor([[0.5, 0.0, 0.0], [0.3, 0.4, 0.0], [-0.2, 0.1, 0.3]])
    return torch.tensor([1.0, -0.5, 0.2]), root @ root.T

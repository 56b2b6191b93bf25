"""Two normal clusters on a line: the exact network, and the density of the model that has it."""

import torch
from torch import nn

WEIGHTS = torch.tensor([0.3, 0.7], dtype=torch.float64)
MEANS = torch.tensor([-0.8, 0.9], dtype=torch.float64)
SCALES = torch.tensor([0.25, 0.4], dtype=torch.float64)


def clusters(path, t: float):
    """The mixture that the data are at a time of a path."""
    a, s = path.alpha(t), path.sigma(t)
    parts = torch.distributions.Normal(a * MEANS, (a**2 * SCALES**2 + s**2).sqrt())
    return torch.distributions.MixtureSameFamily(torch.distributions.Categorical(WEIGHTS), parts)


class ExactMixture(nn.Module):
    """The expectations of data and noise behind x_t, as a prediction, in double precision."""

    event_shape = (1,)

    def __init__(self, path, predicts):
        super().__init__()
        self.path, self.predicts = path, predicts

    def forward(self, x, t, condition):
        x, t = x.double(), t.double()
        a, s = (f(t).reshape(-1, 1) for f in (self.path.alpha, self.path.sigma))
        variance = a**2 * SCALES**2 + s**2
        share = (WEIGHTS.log() - (x - a * MEANS) ** 2 / (2 * variance) - variance.log() / 2).softmax(1)
        gap = (x - a * MEANS) / variance
        data = (share * (MEANS + a * SCALES**2 * gap)).sum(1, keepdim=True)
        noise = s * (share * gap).sum(1, keepdim=True)
        return self.path.target(self.predicts, data, noise, t)


def log_density(path, x, far: float, near: float):
    """Of the model: its flow keeps how much of the mixture lies below a point, and begins at N(0, sigma^2)."""
    first, last = clusters(path, far), clusters(path, near)
    below, end = last.cdf(x), torch.full_like(x, 40.0) * (1 + path.sigma(far))
    low, high = -end, end
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (
            torch.where(first.cdf(middle) < below, middle, low),
            torch.where(first.cdf(middle) < below, high, middle),
        )
    start = (low + high) / 2
    began = torch.distributions.Normal(0.0, path.sigma(far)).log_prob(start)
    return began + last.log_prob(x) - first.log_prob(start)

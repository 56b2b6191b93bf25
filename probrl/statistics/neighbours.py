"""Whether generated points lie where the data are, and everywhere that they are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from probrl.errors import DataError
from probrl.statistics.points import points


class Neighbours(NamedTuple):
    """Density: about 1 when the samples resemble the data, less if they lie off it. Coverage: the fraction of the data with samples nearby.

    Example:
        >>> import torch
        >>> Neighbours(density=torch.tensor(0.9), coverage=torch.tensor(0.5)).coverage
        tensor(0.5000)
    """

    density: Tensor
    coverage: Tensor


def density_and_coverage(data: Tensor, generated: Tensor, k: int = 5) -> Neighbours:
    r"""Fidelity and diversity of samples, from balls around each data point that reach to its k-th neighbour.

    .. math:: \text{density} = \frac{1}{k m} \sum_{j=1}^{m} \sum_{i=1}^{n} 1[y_j \in B(x_i)], \qquad
        \text{coverage} = \frac1n \sum_{i=1}^{n} 1[\exists j: y_j \in B(x_i)]

    For samples of one distribution the density is 1 and the coverage
    :math:`1 - \frac{(m + n - k - 1)! \; (n - 1)!}{(m + n - 1)! \; (n - k - 1)!}` with m generated points, about :math:`1 - 2^{-k}`
    for n = m.

    Args:
        data: x, (n, *event), more than k points.
        generated: y, (m, *event).
        k: which neighbour a ball reaches to, itself not counted.

    Returns:
        Two tensors (), without unit; density is at least 0, coverage in [0, 1].

    Errors:
        DataError when the samples do not go together, or k is no number of neighbours.

    Source:
        Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020.

    Example:
        >>> x = torch.arange(20.0)
        >>> density_and_coverage(x, x[:10], k=1).coverage  # a ball holds its neighbours too
        tensor(0.5500)
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise DataError(f"k is a positive whole number of neighbours; got {k!r}")
    [x] = points(k + 1, data=data)
    x, y = points(1, data=data, generated=generated)
    # Exact differences: by inner products a point may lie outside the ball that it makes.
    exact = "donot_use_mm_for_euclid_dist"
    radii = torch.cdist(x, x, compute_mode=exact).kthvalue(k + 1).values
    inside = (torch.cdist(x, y, compute_mode=exact) <= radii.unsqueeze(1)).to(x.dtype)
    return Neighbours(inside.sum(0).mean() / k, inside.amax(1).mean())

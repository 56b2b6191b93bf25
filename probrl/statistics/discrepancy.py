"""How differently two samples look to a kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from probrl.errors import DataError
from probrl.statistics.points import points


def squared_mmd(x: Tensor, y: Tensor, bandwidth: float | Tensor | None = None) -> Tensor:
    r"""The squared maximum mean discrepancy under a Gaussian kernel, without bias.

    .. math:: \frac{\sum_{i \ne j} k(x_i, x_j)}{n (n - 1)} + \frac{\sum_{i \ne j} k(y_i, y_j)}{m (m - 1)}
        - \frac{2 \sum_{i, j} k(x_i, y_j)}{n m}, \qquad k(a, b) = \exp\!\left(-\frac{\lVert a - b \rVert^2}{2 h^2}\right)

    Its mean is 0 when both samples have one distribution, so that it may be negative.

    Args:
        x, y: (n, *event) and (m, *event), two points or more each.
        bandwidth: h, in the units of x; None takes the median distance of the two samples together.

    Returns:
        (), without unit; gradients pass.

    Errors:
        DataError when the samples do not go together or the bandwidth is not positive.

    Source:
        Gretton et al., "A kernel two-sample test", 2012.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> round(float(squared_mmd(x, x + 100.0, bandwidth=1.0)), 4)  # only neighbours within a sample are alike
        1.2131
    """
    flat, other = points(2, x=x, y=y)
    h = median_distance(torch.cat([flat, other])) if bandwidth is None else bandwidth
    if not float(h) > 0:
        raise DataError(
            f"the bandwidth of a kernel is positive; got {float(h)}" + " (all points are one)" * (bandwidth is None)
        )
    n, m = len(flat), len(other)
    # The diagonal of ones is taken off.
    return (
        (_kernel(flat, flat, h).sum() - n) / (n * (n - 1))
        + (_kernel(other, other, h).sum() - m) / (m * (m - 1))
        - 2 * _kernel(flat, other, h).mean()
    )


def median_distance(x: Tensor) -> Tensor:
    """The median of the distances between different points of a sample (n, d), held still."""
    n = len(x)
    pairs = torch.triu_indices(n, n, 1, device=x.device)
    return torch.cdist(x.detach(), x.detach())[pairs[0], pairs[1]].median()


def _kernel(x: Tensor, y: Tensor, h: float | Tensor) -> Tensor:
    squares = (x.square().sum(1, keepdim=True) + y.square().sum(1) - 2 * x @ y.T).clamp(min=0)
    return (-squares / (2 * h**2)).exp()

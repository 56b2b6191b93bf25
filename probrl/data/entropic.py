"""Which point goes with which, at random: entropic optimal transport between two batches."""

from __future__ import annotations

import torch
from torch import Tensor

from probrl.data.coupling import within
from probrl.errors import DataError

LEVELS, FEW = 6, 5
ABSORBED, TINY = 10, 1e-100


def entropic_coupling(
    x: Tensor, y: Tensor, u: Tensor, epsilon: float, iterations: int = 50, groups: Tensor | None = None
) -> Tensor:
    r"""For each point of a batch one of the other, drawn from the entropic plan between them.

    .. math:: \pi = \operatorname*{arg\,min}_{\pi} \sum_{ij} \pi_{ij} \lVert x_i - y_j \rVert^2 - \varepsilon H(\pi),
              \qquad j \mid i \sim \pi_{ij} / \textstyle\sum_j \pi_{ij}

    With epsilon = 2 sigma^2 it is the static Schroedinger bridge of a Brownian motion of variance sigma^2.

    Args:
        x: (B, *event), the data; they keep their order.
        y: (B, *event), the other end.
        u: (B,), uniform random numbers, one per point of x.
        epsilon: the weight of the entropy, positive, in the unit of squared distances.
        iterations: of Sinkhorn's algorithm at that epsilon, after fewer at larger ones; the marginal of x is exact.
        groups: (B,), whole numbers; points are drawn from equal ones only, see :func:`optimal_coupling`.

    Returns:
        (B,), whole numbers: ``y[entropic_coupling(x, y, u, 0.5)]`` stands beside ``x``.

    Errors:
        DataError when the batches differ in shape or hold NaN or infinity, or epsilon is not positive.

    Source:
        Cuturi 2013, "Sinkhorn distances"; Tong et al. 2024, "Simulation-free Schroedinger bridges via score and flow
        matching", section 3.2.

    Example:
        >>> x = torch.tensor([[0.0], [5.0]])
        >>> entropic_coupling(x, x.flip(0), torch.tensor([0.5, 0.5]), 0.1)
        tensor([1, 0])
    """
    if x.shape != y.shape:
        raise DataError(f"a coupling is between batches of one shape; got {tuple(x.shape)} and {tuple(y.shape)}")
    if not epsilon > 0:
        raise DataError(f"epsilon={epsilon!r}: the weight of the entropy is positive")
    if groups is not None:
        return within(groups, lambda rows: entropic_coupling(x[rows], y[rows], u[rows], epsilon, iterations))
    first, second = (v.detach().reshape(len(v), -1).double() for v in (x, y))
    cost = torch.cdist(first, second).square()
    if not cost.isfinite().all():
        raise DataError("a coupling is between finite points; the batches hold NaN or infinity")
    ends = torch.zeros_like(cost[0])
    for level in range(LEVELS, -1, -1):  # from much entropy to the asked one: a small one alone converges slowly
        eps = epsilon * (max(float(cost.max()) / epsilon, 1.0) ** (level / LEVELS))
        ends = _balanced(cost, ends, eps, iterations if level == 0 else FEW)
    chances = torch.softmax((ends - cost) / epsilon, 1).cumsum(1)
    found = torch.searchsorted(chances, u.detach().double()[:, None]).squeeze(1)
    return found.clamp(max=len(y) - 1)


def _balanced(cost: Tensor, ends: Tensor, eps: float, iterations: int) -> Tensor:
    """The potentials of the other end after so many iterations.

    One in so many is in logarithms; the others are products with the plan that it left, whose rows and columns are near
    one by then, so that nothing overflows. A product takes a hundredth of the time of its logarithms.
    """
    for first in range(0, iterations, ABSORBED):
        starts = -eps * torch.logsumexp((ends - cost) / eps, 1)
        ends = -eps * torch.logsumexp((starts[:, None] - cost) / eps, 0)
        plan = ((starts[:, None] + ends - cost) / eps).exp()
        column = torch.ones_like(ends)
        for _ in range(min(ABSORBED, iterations - first) - 1):
            row = 1 / (plan @ column).clamp(min=TINY)
            column = 1 / (row @ plan).clamp(min=TINY)
        ends = ends + eps * column.log()
    return ends

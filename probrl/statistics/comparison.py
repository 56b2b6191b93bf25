"""Everything that is measured of samples against data, at once."""

from __future__ import annotations

import torch
from torch import Tensor

from probrl.errors import DataError
from probrl.statistics.discrepancy import squared_mmd
from probrl.statistics.neighbours import density_and_coverage
from probrl.statistics.wasserstein import sliced_wasserstein


def compare(samples: Tensor, data: Tensor, seed: int = 0, at_most: int = 2000) -> dict[str, float]:
    """Statistics by name: how far samples are from data, and how well they cover it.

    Args:
        samples: (n, *event).
        data: (m, *event), held out.
        seed: of the directions and of which points are taken, so that two calls measure alike.
        at_most: points of each that are looked at, since distances of all pairs take their square of memory.

    Returns:
        ``sliced_wasserstein`` in the units of the data, ``squared_mmd``, ``density`` and ``coverage`` without unit.

    Errors:
        DataError when the samples do not go together, or are fewer than six.

    Example:
        >>> found = compare(torch.randn(300, 2), torch.randn(300, 2))
        >>> list(found), found["sliced_wasserstein"] < 0.5
        (['sliced_wasserstein', 'squared_mmd', 'density', 'coverage'], True)
    """
    if at_most < 6 or min(samples.dim(), data.dim()) == 0:
        raise DataError(f"a comparison looks at six points or more; got at_most={at_most}")
    generator = torch.Generator().manual_seed(seed)
    x, y = (
        z.detach()[torch.randperm(len(z), generator=generator)[:at_most].to(z.device)].cpu() for z in (samples, data)
    )
    near = density_and_coverage(y, x)
    return {
        "sliced_wasserstein": float(sliced_wasserstein(x, y, generator=generator)),
        "squared_mmd": float(squared_mmd(x, y)),
        "density": float(near.density),
        "coverage": float(near.coverage),
    }

"""Samples as points: what every statistic asks of what it is given."""

from __future__ import annotations

from torch import Tensor

from probrl.errors import DataError


def points(at_least: int, **samples: Tensor) -> list[Tensor]:
    """Samples (n, *event) as points (n, d), whole numbers as floats; (n,) counts as points on a line.

    Errors:
        DataError by name: too few points, events that differ, NaN or infinity.
    """
    flat: list[Tensor] = []
    first = next(iter(samples))
    for name, x in samples.items():
        if x.dim() == 0 or len(x) < at_least or x.numel() == 0:
            raise DataError(f"{name} needs {at_least} points or more, of shape (n, ...); got {tuple(x.shape)}")
        if x.shape[1:] != samples[first].shape[1:]:
            raise DataError(
                f"{first} and {name} are points of one shape; got {tuple(samples[first].shape[1:])} and {tuple(x.shape[1:])}"
            )
        if not x.isfinite().all():
            raise DataError(f"{name} has NaN or infinity")
        flat.append((x if x.is_floating_point() else x.float()).reshape(len(x), -1))
    return flat

"""What solvers see of a model on a Gaussian path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from probrl.paths.gaussian import GaussianPath

MARGIN = 1e-3  # how far from an end a model is evaluated at which its prediction says nothing


@dataclass(frozen=True)
class Field:
    """The score, noise, data and velocity of a model at (x_t, t), on tensors and on expressions alike.

    Attributes:
        path: the path.
        predict: ``(x_t, t) -> prediction``; on tensors t has the shape (B,).
        predicts: which prediction it is.
    """

    path: GaussianPath
    predict: Callable[[Any, Any], Any]
    predicts: str

    def __call__(self, kind: str, x: Any, t: Any) -> Any:
        """A prediction of the asked kind; t is one number for all, or one per row."""
        times = (
            torch.full(x.shape[:1], t, dtype=x.dtype, device=x.device)
            if isinstance(x, Tensor) and not isinstance(t, Tensor)
            else t
        )
        value = self.predict(x, times)
        return self.path.convert(value, x, t, source=self.predicts, target=kind)

    def score(self, x: Any, t: Any) -> Any:
        """The gradient of ln p_t at x."""
        return self("score", x, t)

    def noise(self, x: Any, t: Any) -> Any:
        """The mean of the noise in x."""
        return self("noise", x, t)

    def data(self, x: Any, t: Any) -> Any:
        """The mean of the data behind x."""
        return self("data", x, t)

    def velocity(self, x: Any, t: Any) -> Any:
        """dx/dt of the probability flow."""
        return self("velocity", x, t)

    def finite(self, *kinds: str) -> tuple[bool, bool]:
        """Whether predictions of these kinds can be had at t = 0, and at t = 1."""
        found = [self.path.finite(self.predicts, kind) for kind in kinds]
        return all(f[0] for f in found), all(f[1] for f in found)

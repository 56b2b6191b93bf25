"""Self-attention from elementary operations, so that it can be differentiated forwards and vectorised."""

from __future__ import annotations

from torch import Tensor, nn

from probrl.errors import DataError
from probrl.networks.timed import sizes


class SelfAttention(nn.Module):
    r"""Every position asks all positions, in several heads.

    .. math:: \mathrm{softmax}\!\left(Q K^\top / \sqrt{d}\right) V

    Written out, because the fused kernels have no forward-mode derivative, which a divergence or a MeanFlow asks for.

    Args:
        width: numbers per position.
        heads: how many heads; divides the width.

    Shapes:
        (B, N, width) to (B, N, width); d = width / heads.

    Errors:
        DataError unless the heads divide the width.

    Source:
        Vaswani et al., "Attention is all you need", 2017.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        sizes("width and heads", width, heads)
        if width % heads:
            raise DataError(f"{heads} heads do not divide a width of {width}")
        self.heads = heads
        self.project, self.last = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """What each position is told."""
        q, k, v = self.project(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return self.last((weights @ v).transpose(1, 2).flatten(2))

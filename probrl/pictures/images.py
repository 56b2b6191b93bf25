"""Many small images as one."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def is_images(x: Tensor) -> bool:
    """Whether the rows are images: (n, channels, height, width), of one channel or three."""
    return x.dim() == 4 and x.shape[1] in (1, 3) and min(x.shape[2:]) > 1


def tiled(x: Tensor, columns: int | None = None) -> Tensor:
    """Images side by side in rows, with a margin of one pixel between them.

    Args:
        x: (n, C, H, W), C of 1 or 3, from -1 to 1; what lies outside is cut off.
        columns: how many stand in a row; None makes a square.

    Returns:
        (rows * (H + 1) + 1, columns * (W + 1) + 1, C), from 0 to 1.
    """
    n, channels, height, width = x.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    canvas = torch.full((rows * columns, channels, height + 1, width + 1), 0.5)
    canvas[:n, :, 1:, 1:] = ((x.detach().cpu().float() + 1) / 2).clamp(0, 1)
    sheet = canvas.view(rows, columns, channels, height + 1, width + 1).permute(0, 3, 1, 4, 2)
    sheet = sheet.reshape(rows * (height + 1), columns * (width + 1), channels)
    return torch.nn.functional.pad(sheet, (0, 0, 0, 1, 0, 1), value=0.5)

"""The picture: each row drawn by matplotlib's mathtext, so that no TeX installation is needed."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

from probrl.errors import MissingExtraError
from probrl.expr.base import Expr
from probrl.printing.latex import pairs_of
from probrl.printing.page import Page
from probrl.printing.scope import Row


def png(
    expr: Expr,
    path: Any = None,
    expand: bool | Collection[str] = False,
    legend: bool = True,
    define: bool = True,
    **look: Any,
) -> Any:
    """The formula as a picture.

    Args:
        expr: the formula.
        path: where to write the file; None returns its bytes.
        expand, legend, define: as for ``latex``.
        look: ``size`` in points (14) and ``dpi`` (200).

    Returns:
        The path, or the bytes.

    Errors:
        MissingExtraError: without matplotlib.
    """
    page = Page(expand=expand, legend=legend, define=define)
    page.row(expr)
    return draw(page.rows(), path, **look)


def draw(rows: list[Row], path: Any = None, size: float = 14, dpi: int = 200) -> Any:
    """Rows as a picture, aligned at their signs: the path that was written, or the bytes."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.font_manager import FontProperties
        from matplotlib.mathtext import MathTextParser
    except ImportError as error:
        raise MissingExtraError("a picture needs matplotlib: pip install 'probrl[plot]'") from error
    font = FontProperties(size=size, math_fontfamily="cm")
    parser = MathTextParser("path")
    pairs = [(left, _tall(right)) for left, right in pairs_of(rows)]
    boxes = [
        [parser.parse(f"${side.strip()}$", dpi=72, prop=font) if side.strip() else None for side in pair]
        for pair in pairs
    ]
    gap, margin = 0.55 * size, 0.8 * size
    left_width = max((x[0].width for x in boxes if x[0]), default=0.0)
    right_width = max((x[1].width for x in boxes if x[1]), default=0.0)
    heights = [(max(s.height for s in x if s), max(s.depth for s in x if s)) for x in boxes]
    space = 0.35 * size if left_width else 0.0
    width = 2 * margin + left_width + space + right_width
    height = 2 * margin + sum(h for h, _ in heights) + gap * (len(boxes) - 1)
    figure = Figure(figsize=(width / 72, height / 72), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    top = height - margin
    for (left, right), (tall, deep), sides in zip(pairs, heights, boxes, strict=True):
        base = top - (tall - deep)
        for side, drawn, x in (
            (left, sides[0], margin + left_width - (sides[0].width if sides[0] else 0)),
            (right, sides[1], margin + left_width + space),
        ):
            if drawn:
                figure.text(
                    x / width, base / height, f"${side.strip()}$", fontproperties=font, va="baseline", ha="left"
                )
        top -= tall + gap
    target = io.BytesIO() if path is None else Path(path)
    figure.savefig(target, format="png", dpi=dpi)
    return target.getvalue() if isinstance(target, io.BytesIO) else target


def _tall(latex: str) -> str:
    """Fractions that stand in the line itself in full size, as a display would draw them."""
    out, depth = "", 0
    for i, c in enumerate(latex):
        depth += (c == "{") - (c == "}")
        out += "\\d" if c == "\\" and depth == 0 and latex.startswith("\\frac{", i) else c
    return out

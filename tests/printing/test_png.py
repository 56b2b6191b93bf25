"""Pictures: written or returned, of every row, without TeX."""

from __future__ import annotations

import struct

import probrl as pr
from tests.laws.formulas import corpus

x, y = pr.symbols("x y", rank=0)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def size(data: bytes) -> tuple[int, int]:
    return struct.unpack(">II", data[16:24])


def test_without_a_path_the_bytes_come_back():
    data = (x / y).png()
    assert data.startswith(SIGNATURE)


def test_with_a_path_the_file_is_written(tmp_path):
    path = tmp_path / "formula.png"
    assert (x / y).png(path) == path
    assert path.read_bytes().startswith(SIGNATURE)


def test_more_rows_are_a_taller_picture():
    short, tall = size(x.png()), size(((x / y).named("ratio") * x).png())
    assert tall[1] > short[1] + 40


def test_a_wide_formula_is_a_wide_picture_and_nothing_is_cut():
    from io import BytesIO

    from matplotlib.image import imread

    data = corpus()["quotients"].png()
    image = imread(BytesIO(data))[..., :3].min(-1)
    assert image.min() < 0.2
    border = [image[:8], image[-8:], image[:, :8], image[:, -8:]]
    assert all(edge.min() > 0.99 for edge in border)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    import sys

    import pytest

    from probrl.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "matplotlib.mathtext", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'probrl\[plot\]'"):
        x.png()

"""Expanded pages leave out factors of 1 and terms of 0, and what they print is what runs."""

import random

import pytest
import torch

import probrl as pr
from probrl.expr.base import Expr
from probrl.printing import Page
from probrl.printing.latex import pairs_of
from tests.laws.reader_values import Reader
from tests.laws.reader_words import Value

AT = {k: torch.tensor(v, dtype=torch.float64) for k, v in {"x": 0.7, "y": 1.3}.items()}
SYMBOLS = dict(zip(AT, pr.symbols("x y"), strict=True))


def formula(draw: random.Random, depth: int):
    """A formula of two symbols and numbers, mostly 0, 1 and -1."""
    if not depth:
        return draw.choice([*SYMBOLS.values(), *SYMBOLS.values(), 1, -1, 0, 2, -2, 1.0, -0.5])
    a, b = formula(draw, depth - 1), formula(draw, draw.randrange(depth))
    kind = draw.randrange(6)
    if kind == 0:
        return -a
    if kind == 1:
        return a / (b if isinstance(b, Expr) else draw.choice([1, -1, 2, pr.sqrt(SYMBOLS["y"])]))
    if kind == 2:
        return a ** draw.choice([1, 2, 0.0 + 1])
    return a + b if kind == 3 else a - b if kind == 4 else a * b


@pytest.mark.parametrize("seed", range(300))
def test_what_an_expanded_page_prints_is_what_runs(seed):
    made = formula(random.Random(seed), 5)
    if not isinstance(made, Expr):
        return
    page = Page(expand=True)
    page.row(made)
    read = Reader(pairs_of(page.rows()), {k: Value((), v) for k, v in AT.items()}, {}, ()).value().data
    torch.testing.assert_close(read, made({k: v[None] for k, v in AT.items()}).reshape(-1)[0], rtol=1e-9, atol=1e-9,
                               check_dtype=False, equal_nan=True)  # fmt: skip


@pytest.mark.parametrize(
    ("made", "printed"),
    [
        (lambda x, y: x * (-1) * y, "-x y"),
        (lambda x, y: 1 * x + 0 * y, "x"),
        (lambda x, y: (0 * x + y) / 1, "y"),
        (lambda x, y: 1**x, "1"),
        (lambda x, y: x + pr.sqrt(-1), "x + √(-1)"),
        (lambda x, y: 0 * x, "0 x"),
    ],
)
def test_units(made, printed):
    assert made(*SYMBOLS.values()).text(expand=True, legend=False) == printed


def test_a_constant_beyond_all_numbers_prints():
    assert "1e+200" in (SYMBOLS["x"] + pr.huber(1e200)).text(expand=True)


@pytest.mark.parametrize(
    "of", [pr.paths.GVP, pr.paths.CosineVP, pr.paths.LinearVP, pr.paths.EDM], ids=lambda p: p.__name__
)
def test_one_value_has_one_letter(of):
    mu = pr.Diffusion("x", pr.networks.TimeMLP(2, hidden=(8,)), path=of(), predicts="velocity")
    page = mu.matching(SYMBOLS["x"]).text(expand=True, legend=False)
    meanings = [line.split(" = ", 1) for line in page.splitlines() if " = " in line]
    letters = [left.strip() for left, _ in meanings]
    assert letters and len({right for _, right in meanings}) == len(meanings)
    assert not {right for _, right in meanings} & set(letters) and any(name.startswith("t") for name in letters)

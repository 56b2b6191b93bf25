"""The script LaTeX: what KaTeX (strict) and matplotlib's mathtext both know, and ``aligned`` to join rows."""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import singledispatch
from typing import Any

from probrl.expr.base import Expr
from probrl.printing import boxes as b
from probrl.printing.boxes import Prec, precedence
from probrl.printing.page import Page
from probrl.printing.scope import Row

_OPENS = ("[", "(", "|", "\\|", "\\left", "\\sum")
_TALL = ("\\frac", "\\sum", "\\left", "\\min_", "\\max_", "\\sqrt")


def latex(expr: Expr, expand: bool | Collection[str] = False, legend: bool = True, define: bool = True) -> str:
    """The formula as LaTeX: its rows joined by ``aligned``, the lines that explain its letters, a legend.

    Args:
        expr: the formula.
        expand: True prints definitions by their bodies, a set of names those of them.
        legend: whether constants, parameters, ranks and axes are listed.
        define: whether the functions that appear have their formulas in lines.

    Example:
        >>> import probrl as pr
        >>> x, y = pr.symbols("x y")
        >>> (1 - x / y).latex()
        '1 - \\\\frac{x}{y}'
    """
    page = Page(expand=expand, legend=legend, define=define)
    page.row(expr)
    return join(page.rows())


def print_latex(expr: Expr, **options: Any) -> None:
    """Prints the LaTeX; in a notebook it is rendered."""
    show(latex(expr, **options))


def show(source: str) -> None:
    """Prints LaTeX, or renders it where a notebook is running."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and hasattr(shell, "kernel"):
        from IPython.display import Math, display

        display(Math(source))
    else:
        print(source)


def join(rows: list[Row]) -> str:
    """Rows as one formula; a single row without a left side stands alone."""
    pairs = pairs_of(rows)
    if len(pairs) == 1:
        return "".join(pairs[0]).strip()
    lines = [f"{left} &{right}" for left, right in pairs]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def pairs_of(rows: list[Row]) -> list[tuple[str, str]]:
    """The two sides of every row; the first line that explains a letter says "where"."""
    made, said = [], False
    for row in rows:
        left = write(row.left) if row.left is not None else ""
        if row.where and not said:
            left = rf"\text{{where}}\quad {left}"
        said = row.where
        right = write(row.right)
        made.append((left, f"{row.sign.latex}{right}" if row.left is not None else right))
    return made


def fence(x: str, left: str = "(", right: str = ")") -> str:
    """Fences around LaTeX, as tall as it needs."""
    if any(t in x for t in _TALL):
        return rf"\left{left} {x} \right{right}"
    return f"{left}{x}{right}"


def part(box: b.Box, needs: Prec) -> str:
    """An operand, in parentheses if it holds less tightly than its place needs."""
    return write(box) if precedence(box) >= needs else fence(write(box))


@singledispatch
def write(box: b.Box) -> str:
    """A box as LaTeX."""
    raise NotImplementedError(type(box).__name__)


@write.register
def _(box: b.Word) -> str:
    return box.spelled.latex


@write.register
def _(box: b.Literal) -> str:
    return number(box.value)


def number(value: int | float) -> str:
    """A number, all its digits; a power of ten where Python writes one."""
    digits = repr(value)
    if digits in ("inf", "-inf"):
        return digits.replace("inf", r"\infty")
    if digits == "nan":
        return r"\mathrm{nan}"
    mantissa, e, exponent = digits.partition("e")
    return rf"{mantissa}{{\times}}10^{{{int(exponent)}}}" if e else mantissa


@write.register
def _(box: b.Letter) -> str:
    return box.full.latex


@write.register
def _(box: b.Sum) -> str:
    first, *rest = box.terms
    out = write(first) if isinstance(first, b.Negative) else part(first, Prec.BIG)
    for term in rest:
        if isinstance(term, b.Negative):
            out += " - " + part(term.x, Prec.BIG)
        else:
            out += " + " + part(term, Prec.BIG)
    return out


@write.register
def _(box: b.Negative) -> str:
    if isinstance(box.x, b.Literal):
        return f"-({write(box.x)})"
    return "-" + part(box.x, Prec.BIG)


@write.register
def _(box: b.Product) -> str:
    *before, last = box.factors
    out = ""
    for i, factor in enumerate((*before, last)):
        ends = i == len(before) and i > 0
        fits = isinstance(factor, b.Fraction) or (isinstance(factor, b.Big) and ends)
        piece = write(factor) if fits else part(factor, Prec.PREFIX)
        if out:
            out += r" \cdot " if isinstance(factor, b.Literal) and piece[0].isdigit() else r"\, "
        out += piece
    return out


@write.register
def _(box: b.Fraction) -> str:
    return rf"\frac{{{write(box.over)}}}{{{write(box.under)}}}"


@write.register
def _(box: b.Power) -> str:
    base = part(box.base, Prec.ATOM)
    if isinstance(box.base, b.Letter) and box.base.name.raised:
        base = f"({base})"
    if isinstance(box.base, b.Literal) and "10^" in base:
        base = f"({base})"
    return f"{base}^{{{write(box.exponent)}}}"


@write.register
def _(box: b.Root) -> str:
    return rf"\sqrt{{{write(box.x)}}}"


@write.register
def _(box: b.Big) -> str:
    under = box.under.latex
    body = write(box.x)
    if precedence(box.x) < Prec.BIG:
        body = rf"\left[ {body} \right]" if any(t in body for t in _TALL) else f"[{body}]"
    if box.op not in ("sum", "mean"):
        word = {"argmin": r"\arg\min", "argmax": r"\arg\max"}.get(box.op, "\\" + box.op)
        rows = f"{under} : {write(box.mask)} = 1" if box.mask is not None else under
        return rf"{word}_{{{rows}}} {body}"
    sign = rf"\sum_{{{under}}}"
    weight = "" if box.mask is None else write(box.mask)
    weighted = rf"{weight}\, {body}" if weight else body
    gap = r"\," if weighted.startswith(_OPENS) else ""  # TeX sets nothing between a sum and a fence
    if box.op == "sum":
        return f"{sign}{gap} {weighted}"
    count = f"{sign} {weight}" if weight else f"|{under}|"
    return rf"\frac{{1}}{{{count}}} {sign}{gap} {weighted}"


@write.register
def _(box: b.Function) -> str:
    inside = box.bar.latex.join(", ".join(write(x) for x in group) for group in box.groups)
    return part(box.head, Prec.ATOM) + fence(inside)


@write.register
def _(box: b.Bracket) -> str:
    return write(box.head) + fence(write(box.x), "[", "]")


@write.register
def _(box: b.Fenced) -> str:
    inside = write(box.x)
    if any(t in inside for t in _TALL):
        return rf"\left{box.left.latex} {inside} \right{box.right.latex.strip()}"
    return f"{box.left.latex}{inside}{box.right.latex}"


@write.register
def _(box: b.Relation) -> str:
    return f"{part(box.left, Prec.SUM)}{box.sign.latex}{part(box.right, Prec.SUM)}"


@write.register
def _(box: b.Prefix) -> str:
    return write(box.head) + part(box.x, Prec.PREFIX)


@write.register
def _(box: b.Indexed) -> str:
    index = write(box.index)
    if box.brackets:
        return f"{part(box.x, Prec.ATOM)}{fence(index, '[', ']')}"
    x: b.Box = box.x
    while isinstance(x, b.Indexed) and not x.brackets:
        index = f"{write(x.index)},{index}"
        x = x.x
    if isinstance(x, b.Letter):
        return x.full.below(b.Spelled(index, index)).latex
    return f"{part(x, Prec.ATOM)}_{{{index}}}"


@write.register
def _(box: b.Listed) -> str:
    return box.sign.latex.join(write(x) for x in box.items)

"""The script of a terminal: unicode, one line per row, values beside terms when there is a batch."""

from __future__ import annotations

from collections.abc import Collection
from functools import singledispatch
from typing import Any

from probrl.expr.base import Expr, read
from probrl.printing import boxes as b
from probrl.printing.boxes import Prec, precedence
from probrl.printing.page import Page
from probrl.printing.scope import Row
from probrl.printing.terms import terms_of

_WIDE = 400  # nodes: a longer formula is cut in messages


_LEFT = 18  # characters: a longer left side is not aligned with the others


class Printed(str):
    """Text that rich shows as it is, square brackets included."""

    __slots__ = ()

    def __rich__(self) -> Any:
        from rich.text import Text

        return Text(str(self))


def text(
    expr: Expr, batch: Any = None, expand: bool | Collection[str] = False, legend: bool = True, define: bool = False
) -> Printed:
    """The formula as unicode text: its row, the lines that explain its letters, a legend.

    Args:
        expr: the formula.
        batch: columns; with them the current value stands beside the formula and each of its terms.
        expand: True prints definitions by their bodies, a set of names those of them.
        legend: whether constants, parameters, ranks and axes are listed.
        define: whether the functions that appear have their formulas in lines.

    Example:
        >>> import probrl as pr
        >>> x, y = pr.symbols("x y")
        >>> str(1 - x / y)
        '1 - x / y'
    """
    page = Page(expand=expand, legend=legend, strict=batch is not None, define=define)
    page.row(expr)
    lines = join(page.rows())
    if batch is None:
        return Printed(lines)
    return Printed("\n".join([lines, "", *_values(expr, batch)]))


def line(expr: Expr) -> str:
    """The formula alone on one line, for messages; a very long one is cut."""
    page = Page(legend=False, strict=False, define=False)
    page.row(expr)
    shown = write(page.rows()[0].right)
    return shown if len(shown) <= _WIDE else shown[: _WIDE - 2] + " …"


def join(rows: list[Row]) -> str:
    """Rows as lines; those that explain a letter stand below "where", their signs aligned."""
    out: list[str] = []
    block: list[tuple[str, str]] = []
    for row in rows:
        left, right = write(row.left) if row.left is not None else "", write(row.right)
        if row.where:
            block.append((left, f"{row.sign.text}{right}"))
            continue
        out.extend(_aligned(block))
        block = []
        out.append(f"{left}{row.sign.text}{right}" if row.left is not None else right)
    return "\n".join([*out, *_aligned(block)])


def _aligned(block: list[tuple[str, str]]) -> list[str]:
    if not block:
        return []
    width = max((_width(left) for left, _ in block if _width(left) <= _LEFT), default=0)
    return ["where", *(f"  {' ' * max(width - _width(left), 0)}{left}{right}" for left, right in block)]


def _width(shown: str) -> int:
    from unicodedata import combining

    return sum(not combining(c) for c in shown)


def _values(expr: Expr, batch: Any) -> list[str]:
    pairs = [("total", expr), *((label, value) for label, _, value in terms_of(expr, write_line=line))]
    shown = [(label, _number(read("evaluate", x, batch))) for label, x in pairs]
    width = max(_width(label) for label, _ in shown)
    return [f"{label}{' ' * (width - _width(label))}  {value}" for label, value in shown]


def _number(value: Any) -> str:
    value = value.detach()
    if getattr(value, "ndim", 0) == 0:
        return f"{float(value):.6g}"
    return f"{float(value.double().mean()):.6g} on average, from {float(value.min()):.6g} to {float(value.max()):.6g}"


def part(box: b.Box, needs: Prec) -> str:
    """An operand, in parentheses if it holds less tightly than its place needs."""
    return write(box) if precedence(box) >= needs else f"({write(box)})"


@singledispatch
def write(box: b.Box) -> str:
    """A box as unicode text."""
    raise NotImplementedError(type(box).__name__)


@write.register
def _(box: b.Word) -> str:
    return box.spelled.text


@write.register
def _(box: b.Literal) -> str:
    return repr(box.value).replace("inf", "∞")


@write.register
def _(box: b.Letter) -> str:
    return box.full.text


@write.register
def _(box: b.Sum) -> str:
    first, *rest = box.terms
    out = write(first) if isinstance(first, b.Negative) else part(first, Prec.BIG)
    for term in rest:
        out += f" - {part(term.x, Prec.BIG)}" if isinstance(term, b.Negative) else f" + {part(term, Prec.BIG)}"
    return out


@write.register
def _(box: b.Negative) -> str:
    return f"-({write(box.x)})" if isinstance(box.x, b.Literal) else "-" + part(box.x, Prec.BIG)


@write.register
def _(box: b.Product) -> str:
    out = ""
    for factor in box.factors:
        piece = part(factor, Prec.PREFIX) if not isinstance(factor, b.Big) else write(factor)
        if out:
            out += " · " if isinstance(factor, b.Literal) and piece[0].isdigit() else " "
        out += piece
    return out


@write.register
def _(box: b.Fraction) -> str:
    over = write(box.over) if isinstance(box.over, (b.Product, b.Big)) else part(box.over, Prec.PREFIX)
    under = write(box.under) if isinstance(box.under, b.Big) else part(box.under, Prec.PREFIX)
    return f"{over} / {under}"


@write.register
def _(box: b.Power) -> str:
    base, exponent = part(box.base, Prec.ATOM), write(box.exponent)
    if (isinstance(box.base, b.Letter) and box.base.name.raised) or (
        isinstance(box.base, b.Literal) and not base.isalnum()
    ):
        base = f"({base})"
    if exponent in ("2", "3"):
        return base + ("²" if exponent == "2" else "³")
    simple = isinstance(box.exponent, (b.Letter, b.Literal)) and precedence(box.exponent) == Prec.ATOM
    return f"{base}^{exponent}" if simple else f"{base}^({exponent})"


@write.register
def _(box: b.Root) -> str:
    return f"√({write(box.x)})"


@write.register
def _(box: b.Big) -> str:
    under = box.under.text
    mask = "" if box.mask is None else f": {write(box.mask)}"
    where = f"{{{under}{mask}}}" if mask or len(under) > 1 else under
    word = {"sum": "Σ"}.get(box.op, box.op)
    return f"{word}_{where}[{write(box.x)}]"


@write.register
def _(box: b.Function) -> str:
    return (
        part(box.head, Prec.ATOM) + f"({box.bar.text.join(', '.join(write(x) for x in group) for group in box.groups)})"
    )


@write.register
def _(box: b.Bracket) -> str:
    return f"{write(box.head)}[{write(box.x)}]"


@write.register
def _(box: b.Fenced) -> str:
    return f"{box.left.text}{write(box.x)}{box.right.text}"


@write.register
def _(box: b.Relation) -> str:
    return f"{part(box.left, Prec.SUM)}{box.sign.text}{part(box.right, Prec.SUM)}"


@write.register
def _(box: b.Prefix) -> str:
    return write(box.head) + part(box.x, Prec.PREFIX)


@write.register
def _(box: b.Indexed) -> str:
    index = write(box.index)
    if box.brackets:
        return f"{part(box.x, Prec.ATOM)}[{index}]"
    x: b.Box = box.x
    while isinstance(x, b.Indexed) and not x.brackets:
        index = f"{write(x.index)},{index}"
        x = x.x
    if isinstance(x, b.Letter):
        return x.full.below(b.Spelled(index, index)).text
    base = part(x, Prec.ATOM)
    return f"{base}_{index}" if len(index) == 1 else f"{base}_{{{index}}}"


@write.register
def _(box: b.Listed) -> str:
    return box.sign.text.join(write(x) for x in box.items)

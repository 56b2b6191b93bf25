"""Readings for people: LaTeX, text, pictures, the table of gradients. The only place for printing rules.

A :class:`Page` prints many formulas with shared letters::

    page = Page()
    page.row(gae, left=A, sign=BECOMES)            # an assignment; means run over all data
    page.row(loss, left=words("minimise"), data="B")  # means run over the minibatch
    page_latex(page), page_text(page), page_png(page, "ppo.png")
"""

from __future__ import annotations

from typing import Any

from probrl.expr.base import install_reading
from probrl.printing.desk import IS_DRAWN, Desk
from probrl.printing.gradients import Gradients
from probrl.printing.gradients import gradients as _gradients
from probrl.printing.latex import join as _join_latex
from probrl.printing.latex import latex as _latex
from probrl.printing.latex import print_latex as _print_latex
from probrl.printing.latex import show
from probrl.printing.legend import words
from probrl.printing.page import BECOMES, NOTHING, Page
from probrl.printing.png import draw as _draw
from probrl.printing.png import png as _png
from probrl.printing.scope import Row
from probrl.printing.text import Printed
from probrl.printing.text import join as _join_text
from probrl.printing.text import line as _line
from probrl.printing.text import text as _text

install_reading("latex", _latex)
install_reading("print_latex", _print_latex)
install_reading("text", _text)
install_reading("line", _line)
install_reading("png", _png)
install_reading("gradients", _gradients)


def _equations(pairs: Any, expand: Any = False, legend: bool = True, define: bool = True) -> Page:
    """The page of equations, given as pairs of sides; None on the left prints the right side alone."""
    page = Page(expand=expand, legend=legend, define=define)
    for left, right in pairs:
        page.row(right, left, lines=False)
    return page


install_reading("equations_latex", lambda pairs, **options: page_latex(_equations(pairs, **options)))
install_reading("equations_print_latex", lambda pairs, **options: show(page_latex(_equations(pairs, **options))))
install_reading("equations_text", lambda pairs, **options: page_text(_equations(pairs, **options)))
install_reading("equations_png", lambda pairs, path=None, **look: page_png(_equations(pairs), path, **look))


def page_latex(page: Page) -> str:
    """All rows of a page as one aligned formula."""
    return _join_latex(page.rows())


def page_text(page: Page) -> Printed:
    """All rows of a page as lines of unicode text."""
    return Printed(_join_text(page.rows()))


def page_png(page: Page, path: Any = None, **look: Any) -> Any:
    """All rows of a page as a picture: the path, or the bytes."""
    return _draw(page.rows(), path, **look)


__all__ = [
    "BECOMES",
    "IS_DRAWN",
    "NOTHING",
    "Desk",
    "Gradients",
    "Page",
    "Printed",
    "Row",
    "page_latex",
    "page_png",
    "page_text",
    "show",
    "words",
]

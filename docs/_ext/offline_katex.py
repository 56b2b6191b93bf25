"""A math renderer of HTML pages: KaTeX in the reader's browser, its files copied from the npm package at build time.

The package is looked for where the tests look: the folder that `KATEX` names, or tests/node_modules. Without it the
pages show formulas as LaTeX source, and the build says so.
"""

from __future__ import annotations

import os
import shutil
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
RENDER = """document.addEventListener("DOMContentLoaded", () => {
  for (const e of document.querySelectorAll(".katex-source"))
    katex.render(e.textContent, e, {displayMode: e.tagName === "DIV", throwOnError: false});
});
"""


def _package(app: Sphinx) -> Path | None:
    places = [os.environ.get("KATEX", ""), str(Path(app.srcdir).parent / "tests" / "node_modules" / "katex")]
    return next((Path(place) for place in places if place and (Path(place) / "dist" / "katex.min.js").is_file()), None)


def copy_katex(app: Sphinx) -> None:
    """Put script, style and fonts (one format: every browser of today reads woff2) into the built pages."""
    if app.builder.format != "html":
        return
    package = _package(app)
    if package is None:
        logger.info("KaTeX is not installed (npm install --prefix tests): formulas are shown as LaTeX source")
        return
    target = Path(app.outdir) / "_static" / "katex"
    (target / "fonts").mkdir(parents=True, exist_ok=True)
    for name in ("katex.min.js", "katex.min.css"):
        shutil.copy(package / "dist" / name, target / name)
    for font in (package / "dist" / "fonts").glob("*.woff2"):
        shutil.copy(font, target / "fonts" / font.name)
    (target / "render.js").write_text(RENDER, encoding="utf-8")
    app.add_css_file("katex/katex.min.css")
    app.add_js_file("katex/katex.min.js")
    app.add_js_file("katex/render.js")


def _inline(translator, node: nodes.math) -> None:
    translator.body.append(f'<span class="katex-source">{escape(node.astext(), quote=False)}</span>')
    raise nodes.SkipNode


def _display(translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="katex-source">{escape(node.astext(), quote=False)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("katex", (_inline, None), (_display, None))
    app.config.html_math_renderer = "katex"
    app.connect("builder-inited", copy_katex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

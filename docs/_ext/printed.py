"""The directive `printed`: a formula of a page is printed by the object that is executed, never typed by hand.

Its body is Python; what its last line evaluates to is read by `.latex()`, or by `str` with `:text:`. The blocks of a
page share their names, and `:hidden:` runs a block without showing anything.
"""

from __future__ import annotations

import ast
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from sphinx.application import Sphinx


class Printed(Directive):
    """Run the body, show the LaTeX of its last expression as a display formula."""

    has_content = True
    option_spec: ClassVar = {"hidden": directives.flag, "text": directives.flag}

    def run(self) -> list[nodes.Node]:
        environment = self.state.document.settings.env
        names = environment.temp_data.setdefault("printed", {})
        tree = ast.parse("\n".join(self.content))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, environment.docname, "exec"), names)
        if last is None or "hidden" in self.options:
            return []
        value = eval(compile(ast.Expression(last.value), environment.docname, "eval"), names)
        if "text" in self.options:
            return [nodes.literal_block(str(value), str(value), language="none")]
        formula = value if isinstance(value, str) else value.latex()
        return [nodes.math_block(formula, formula, nowrap=True, number=None, label=None)]


def setup(app: Sphinx) -> dict:
    app.add_directive("printed", Printed)
    return {"parallel_read_safe": True}

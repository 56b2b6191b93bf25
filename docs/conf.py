"""Sphinx: Markdown pages, furo, formulas by a KaTeX that lies beside them, so that the pages read offline."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
sys.path.insert(0, str(Path(__file__).parent.parent))

project = "probrl"
author = "probrl developers"
copyright = "probrl developers"
extensions = [
    "myst_parser",
    "offline_katex",
    "printed",
    "members",
    "algorithm",
    "path_page",
    "model_page",
    "toys",
    "reference",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "probrl"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_theme_options = {"source_edit_link": "", "source_view_link": ""}
html_show_sphinx = False

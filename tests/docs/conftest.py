"""The extensions of the pages, importable as Sphinx imports them."""

import sys

import pytest

from tests.pages import ROOT

pytest.importorskip("sphinx")
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

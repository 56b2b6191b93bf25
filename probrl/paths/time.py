"""The symbol of time: 0 is data, 1 is noise, in every formula of a path."""

from __future__ import annotations

import sympy

t = sympy.Symbol("t", nonnegative=True)

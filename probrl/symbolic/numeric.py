"""Runs a sympy formula in numpy: elementwise parts lambdified, structure by a few array rules, derivatives in reverse.

Every array has one dimension per axis name of the formula, then the event's, with size 1 where it does not vary; so
everything broadcasts, and nothing here shares anything with the graph that it is to judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from probrl.errors import DataError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.traversal import executed, walk
from probrl.symbolic.formulas import Reading
from probrl.symbolic.functions import NUMERIC, plain
from probrl.symbolic.kernels import Layout, backward, forward


@dataclass
class Evaluation:
    """What a reading evaluates to.

    Attributes:
        value: the array, laid out as the formula's type says.
        gradients: the derivative of the sum of all entries by each leaf, laid out as the leaf's type says.
    """

    value: np.ndarray
    gradients: dict[Expr, np.ndarray] = field(default_factory=dict)


def run(reading: Reading, values: Mapping[Any, Any], gradients: bool) -> Evaluation:
    """Evaluates a reading on the values of its leaves."""
    machine = _Machine(reading, values)
    root = machine.value(reading.formula)
    layout, node = machine.layout, reading.root
    full = layout.broadcast(root, node.type.names)
    found = Evaluation(layout.take(full, node.type.names, node.type.rank or 0))
    if gradients:
        adjoints = machine.adjoints(reading.formula, np.ones(full.shape))
        for leaf, of in reading.leaves.items():
            if leaf in adjoints:
                found.gradients[of] = layout.take(adjoints[leaf], of.type.names, of.type.rank or 0)
    return found


def _layout(reading: Reading) -> Layout:
    axes: dict[str, None] = {}
    ranks = [0]
    for x in walk(reading.root, through=executed):
        axes.update(dict.fromkeys(x.type.names))
        ranks.append(x.type.rank or 0)
        ranks.append(1 if isinstance(x, n.Rename) and x.target is None else 0)
    return Layout(tuple(axes), max(ranks))


class _Machine:
    def __init__(self, reading: Reading, values: Mapping[Any, Any]) -> None:
        self.reading, self.given = reading, values
        self.layout = _layout(reading)
        self.parts = {**reading.leaves, **reading.structures}
        self.memo: dict[Any, np.ndarray] = {}
        self.order: list[Any] = []
        for leaf, node in reading.leaves.items():
            self._measure(leaf, node)
        for node in reading.structures.values():
            if isinstance(node, n.Join) and node.axis is not None:
                self.layout.sizes.setdefault(node.axis.name, len(node.items))

    def _measure(self, leaf: Any, node: Expr) -> None:
        found = self._supplied(node)
        if found is not None:
            for name, size in zip(node.type.names, found.shape, strict=False):
                self.layout.sizes.setdefault(name, size)

    def _supplied(self, node: Expr) -> np.ndarray | None:
        if isinstance(node, n.Number):
            return np.asarray(float(node.value))
        found = self.given.get(node)
        if found is None and isinstance(node, n.Symbol):
            found = self.given.get(node.name)
        return None if found is None else np.asarray(found)

    # --- forward -----------------------------------------------------------------------------------------------
    def value(self, formula: Any) -> np.ndarray:
        if formula not in self.memo:
            self.memo[formula] = self._compute(formula)
            self.order.append(formula)
        return self.memo[formula]

    def _compute(self, formula: Any) -> np.ndarray:
        if formula in self.reading.leaves:
            return self._leaf(self.reading.leaves[formula])
        if formula in self.reading.structures:
            return forward(self.reading.structures[formula], self.layout, [self.value(a) for a in formula.args])
        parts = outermost(formula, self.parts)
        arrays = [self.value(p) for p in parts]
        with np.errstate(all="ignore"):
            return self._array(compiled(formula, parts)(*arrays))

    def _array(self, result: Any) -> np.ndarray:
        array = np.asarray(result, dtype=float)
        return array.reshape((1,) * self.layout.dims) if array.ndim == 0 else array

    def _leaf(self, node: Expr) -> np.ndarray:
        found = self._supplied(node)
        if found is None and isinstance(node, n.Range):
            found = self._indices(node.axis.name)
        if found is None:
            raise DataError(f"the value of {node} is needed to evaluate the sympy reading")
        return self.layout.place(found.astype(float), node.type.names)

    def _indices(self, axis: str) -> np.ndarray | None:
        if axis not in self.layout.sizes:
            for formula, node in self.reading.structures.items():
                if isinstance(node, n.Rename) and node.target == axis:
                    self.layout.sizes[axis] = self.value(formula).shape[self.layout.axes.index(axis)]
                    break
        return np.arange(self.layout.sizes[axis]) if axis in self.layout.sizes else None

    # --- reverse -----------------------------------------------------------------------------------------------
    def adjoints(self, root: Any, start: np.ndarray) -> dict[Any, np.ndarray]:
        found: dict[Any, np.ndarray] = {root: unbroadcast(start, self.memo[root].shape)}
        for formula in reversed(self.order):
            adjoint = found.get(formula)
            if adjoint is None or formula in self.reading.leaves:
                continue
            for part, piece in self._pull(formula, adjoint):
                piece = unbroadcast(piece, self.memo[part].shape)
                found[part] = found[part] + piece if part in found else piece
        return found

    def _pull(self, formula: Any, adjoint: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        if formula in self.reading.structures:
            arrays = [self.memo[a] for a in formula.args]
            pieces = backward(self.reading.structures[formula], self.layout, arrays, self.memo[formula], adjoint)
            return [(a, p) for a, p in zip(formula.args, pieces, strict=False) if p is not None]
        parts = outermost(formula, self.parts)
        arrays = [self.memo[p] for p in parts]
        with np.errstate(all="ignore"):
            slopes = slope(formula, parts)(*arrays)
        return [(p, adjoint * s) for p, s in zip(parts, slopes, strict=True)]


def outermost(formula: Any, parts: Mapping[Any, Expr]) -> tuple[Any, ...]:
    """The symbols and functions of a formula that are not inside another function, in a fixed order."""
    found: dict[Any, None] = {}
    stack = [formula]
    while stack:
        x = stack.pop()
        if x in parts:
            found[x] = None
        else:
            stack.extend(reversed(x.args))
    return tuple(found)


def _plain(formula: Any, parts: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    # Real letters without any further assumption stand in, so that a derivative is one of plain symbols.
    letters = tuple(sympy.Symbol(f"_x{i}", real=True) for i in range(len(parts)))
    return letters, plain(formula, dict(zip(parts, letters, strict=True)))


@lru_cache(maxsize=256)
def compiled(formula: Any, parts: tuple[Any, ...]) -> Any:
    """A numpy function of the parts of a formula."""
    letters, found = _plain(formula, parts)
    return sympy.lambdify(letters, found, [NUMERIC, "scipy", "numpy"], cse=True)


@lru_cache(maxsize=256)
def slope(formula: Any, parts: tuple[Any, ...]) -> Any:
    """A numpy function that gives the derivatives of a formula by its parts."""
    letters, found = _plain(formula, parts)
    return sympy.lambdify(letters, [found.diff(x) for x in letters], [NUMERIC, "scipy", "numpy"], cse=True)


def unbroadcast(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The sum over the dimensions along which a value of that shape was repeated."""
    dims = tuple(i for i, (have, want) in enumerate(zip(x.shape, shape, strict=True)) if want == 1 and have != 1)
    total = x.sum(dims, keepdims=True) if dims else x
    return np.broadcast_to(total, shape)

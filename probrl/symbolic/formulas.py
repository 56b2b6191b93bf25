"""A formula as sympy, and what every symbol and function of the result stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from probrl.expr.base import Expr
from probrl.expr.ranks import settle
from probrl.symbolic.functions import undefined
from probrl.symbolic.rules import translate

if TYPE_CHECKING:
    from probrl.symbolic.numeric import Evaluation


@dataclass
class Reading:
    """A formula in sympy and the meaning of its parts.

    Attributes:
        formula: the sympy expression.
        root: the expression that it is a reading of, with every symbol's rank settled.
        leaves: symbols and functions to the nodes whose values must be supplied.
        structures: functions to the nodes that are computed from the function's arguments.
    """

    formula: Any = None
    root: Any = None
    leaves: dict[Any, Expr] = field(default_factory=dict)
    structures: dict[Any, Expr] = field(default_factory=dict)
    _names: dict[str, Any] = field(default_factory=dict)
    _done: dict[Expr, Any] = field(default_factory=dict)

    def evaluate(self, values: Mapping[Any, Any], gradients: bool = False) -> Evaluation:
        """Runs the sympy formula in numpy, in float64, on named axes.

        Args:
            values: for each leaf, by node or (a column) by name, its array, laid out as the node's type says.
            gradients: whether the derivative of the sum of all entries by every leaf is wanted as well.

        Returns:
            An Evaluation with ``value`` and ``gradients``.

        Errors:
            DataError for a leaf without a value.
        """
        from probrl.symbolic.numeric import run

        return run(self, values, gradients)

    def of(self, node: Expr) -> Any:
        """The reading of a sub-formula; once each."""
        if node not in self._done:
            self._done[node] = translate(node, self)
        return self._done[node]

    def name(self, wanted: str, meaning: Any) -> str:
        """The wanted name, or with a number behind it when something else has it."""
        name, count = wanted, 1
        while self._names.setdefault(name, meaning) != meaning:
            count += 1
            name = f"{wanted}_{count}"
        return name

    def leaf(self, symbol: Any, node: Expr) -> Any:
        """A symbol or function whose value is supplied."""
        self.leaves[symbol] = node
        return symbol

    def opaque(self, wanted: str, meaning: Any, node: Expr, *args: Expr) -> Any:
        """A function whose value is supplied: a network, a recursion, a derivative."""
        made = undefined(self.name(wanted, meaning))(*map(self.of, args))
        return self.leaf(made, node)

    def structure(self, wanted: str, node: Expr, *args: Expr, kind: str = "opaque") -> Any:
        """A function that is computed from its arguments."""
        read, count, name = tuple(map(self.of, args)), 1, wanted
        while True:
            made = undefined(self.name(name, "structure"), kind)(*read)
            if _alike(self.structures.setdefault(made, node), node):
                return made
            count += 1
            name = f"{wanted}_{count}"


def _alike(x: Expr, y: Expr) -> bool:
    """Whether two nodes compute the same from the same arguments."""
    if x is y:
        return True
    if type(x) is not type(y):
        return False
    plain = all(getattr(x, f) == getattr(y, f) for f in x.fields if not isinstance(getattr(x, f), (Expr, tuple)))
    parts = [(getattr(x, f), getattr(y, f)) for f in x.fields if isinstance(getattr(x, f), Expr)]
    return plain and all(a.type == b.type for a, b in parts) and getattr(x, "over", 0) == getattr(y, "over", 0)


def read_formula(expr: Expr) -> Reading:
    """The reading of a formula, after its symbols' ranks are settled."""
    (root,) = settle(expr)
    found = Reading(root=root)
    found.formula = found.of(root)
    return found

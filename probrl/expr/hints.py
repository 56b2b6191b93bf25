"""What to write in a formula in place of what arrays and tensors have: for messages."""

from __future__ import annotations

from typing import Any

from probrl.errors import ExpressionError

ARITHMETIC = {
    "add": "add",
    "subtract": "subtract",
    "multiply": "multiply",
    "true_divide": "divide",
    "divide": "divide",
    "power": "power",
    "float_power": "power",
}
_INSTEAD = {
    "detach": "pr.stop_gradient(x)",
    "backward": "pr.Minimize(loss, wrt=...).compile()(batch)",
    "item": "float(x(batch))",
    "numpy": "x(batch).numpy()",
    "clamp": "pr.clip(x, low, high)",
    "square": "x ** 2",
    "pow": "x ** y",
    "norm": "pr.sqrt(pr.sqnorm(x))",
    "matmul": "pr.dot(x, y)",
    "cat": "pr.concatenate(x, y)",
    "concatenate": "pr.concatenate(x, y)",
    "gather": "x.at(axis=index)",
}
_LOGIC = {
    "&": "two indicators hold where their product is 1: (x < y) * (y < z)",
    "|": "one of two indicators holds where pr.maximum(x < y, y < z) is 1",
    "~": "an indicator does not hold where 1 - (x < y) is 1",
    "@": "a product over coordinates is pr.dot(x, y), one over an index axis (x * y).sum('i')",
}
_SHAPES = ("shape", "size", "dim", "ndim", "T", "reshape", "view", "squeeze", "unsqueeze", "expand", "flatten", "permute",
           "transpose", "to", "cpu", "cuda", "float", "double", "dtype", "device")  # fmt: skip


def _instead(name: str, operators: Any) -> str:
    """What a function or method is called here, or nothing."""
    if name in _INSTEAD:
        return f"write {_INSTEAD[name]}"
    return f"write pr.{name}(...)" if hasattr(operators, name) else ""


def foreign(function: str, formulas: str, operators: Any) -> str:
    """Why torch's or numpy's functions do not take formulas."""
    instead = _instead(function.rpartition(".")[2], operators) or "write one of pr's functions"
    return (
        f"{function} cannot take the formula {formulas}: {instead}; a tensor beside it is named as a column "
        "(x = pr.symbols('x'), and batch['x'] = tensor)"
    )


def method(formula: str, name: str, operators: Any) -> str:
    """What to write in place of a method of tensors."""
    if name in _SHAPES:
        return f"{formula} is a formula, which has no .{name}: axes have names, and columns bring their shapes, types and device"
    instead = _instead(name, operators)
    return f"{formula} has no .{name}" + (f": {instead}" if instead else "")


def logic(formula: str, sign: str) -> str:
    """What to write in place of an operator that formulas do not have."""
    return f"{formula}: {sign} is no operator of formulas; {_LOGIC[sign]}"


class Refused:
    """What Python offers and formulas have not."""

    __slots__ = ()

    def _refuse(self, said: str) -> Any:
        from probrl.expr.base import show

        raise ExpressionError(said.format(show(self)))

    def __and__(self, other: Any) -> Any:
        return self._refuse(logic("{}", "&"))

    def __or__(self, other: Any) -> Any:
        return self._refuse(logic("{}", "|"))

    def __invert__(self) -> Any:
        return self._refuse(logic("{}", "~"))

    def __matmul__(self, other: Any) -> Any:
        return self._refuse(logic("{}", "@"))

    __rand__, __ror__, __rmatmul__ = __and__, __or__, __matmul__

    def __iter__(self) -> Any:
        return self._refuse("{} cannot be iterated over: an element is x.at(axis=index)")

    def __len__(self) -> int:
        return int(
            self._refuse(
                "{} has no length while it is a formula; its coordinates are added up by pr.sum_event(x), and an index axis "
                "by x.sum('i')"
            )
        )

"""The term: immutable, interned, compared by identity, with Python's operators as constructors."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakValueDictionary

from probrl.errors import ExpressionError
from probrl.expr import hints
from probrl.expr.depth import deep

if TYPE_CHECKING:
    from probrl.expr.types import Type

_interned: WeakValueDictionary[Hashable, Expr] = WeakValueDictionary()
_infer: list[Callable[[Expr], Type]] = []  # filled by probrl.expr.types: the type of a node from those of its children
_readings: dict[str, Callable[..., Any]] = {}  # filled by the floors above: latex, compile, sympy, ...


def install_inference(infer: Callable[[Expr], Type]) -> None:
    """Says how a node gets its type; called once, by the module that knows the rules."""
    _infer[:] = [infer]


def install_reading(name: str, function: Callable[..., Any]) -> None:
    """Fills the slot of a reading (``latex``, ``sympy``, ``check`` ...), so that the ground never looks up.

    The function is called with the expression and the arguments of its method of that name.
    """
    _readings[name] = function


def read(name: str, expr: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls a reading; the package fills every slot when it is imported."""
    if name not in _readings:
        raise ExpressionError(f"the reading '{name}' is not loaded: import probrl")
    with deep():
        return _readings[name](expr, *args, **kwargs)


def show(expr: Any) -> str:
    """The expression as one line of plain text, for messages."""
    return _readings["line"](expr) if "line" in _readings else repr(expr)


def _key(value: Any) -> Hashable:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return type(value), repr(value)
    if isinstance(value, tuple):
        return tuple(_key(v) for v in value)
    return value


class Expr(hints.Refused):
    """A formula. Equal formulas are one object, so ``==`` is identity (``pr.equal`` is the indicator).

    Attributes:
        type: axes and rank of the value; the rank is None while a symbol's has not been settled.

    Example:
        >>> import probrl as pr
        >>> pr.symbols("x") + 1 == pr.symbols("x") + 1
        True
    """

    __slots__ = ("__weakref__", "_cache", "type")
    fields: ClassVar[tuple[str, ...]] = ()
    type: Type

    def __new__(cls, *values: Any) -> Any:
        key = (cls, _key(values))
        found = _interned.get(key)
        if found is not None:
            return found
        node = object.__new__(cls)
        for name, value in zip(cls.fields, values, strict=True):
            object.__setattr__(node, name, value)
        object.__setattr__(node, "_cache", {})
        object.__setattr__(node, "type", _infer[0](node))
        _interned[key] = node
        return node

    def __setattr__(self, name: str, value: Any) -> None:
        raise ExpressionError(f"an expression is immutable: cannot set {name!r}")

    def __copy__(self) -> Expr:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Expr:
        return self

    def __reduce__(self) -> Any:
        return type(self), tuple(getattr(self, f) for f in self.fields)

    def __str__(self) -> str:
        if "text" in _readings:
            return str(_readings["text"](self))
        return f"{type(self).__name__}({', '.join(str(getattr(self, f)) for f in self.fields)})"

    __repr__ = __str__  # a person who types a formula's name wants to read the formula

    # --- Python that has no meaning on a formula ---------------------------------------------------------------
    def __bool__(self) -> bool:
        raise ExpressionError(
            f"{show(self)} has no truth value while it is a formula: write pr.where(condition, x, y), "
            "or pr.minimum and pr.maximum"
        )

    def __float__(self) -> float:
        raise ExpressionError(f"{show(self)} is a formula, not a number: give it a batch, as in loss(batch)")

    __int__ = __index__ = __float__

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name = hints.ARITHMETIC.get(ufunc.__name__)
        if method == "__call__" and name is not None and len(inputs) == 2:
            return _combined(name, *inputs)
        raise ExpressionError(hints.foreign(f"numpy.{ufunc.__name__}", ", ".join(map(show, inputs)), _op()))

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", str(function)).strip("_")
        formulas = ", ".join(show(a) for a in args if isinstance(a, Expr))
        raise ExpressionError(hints.foreign(f"torch.{name}", formulas, _op()))

    def __getattr__(self, name: str) -> Any:
        if name in ("log_prob", "prob", "entropy", "kl", "draw"):
            raise ExpressionError(
                f"{show(self)} is a value, not a distribution: a point mass has no .{name}; compare values, as in "
                "(x - y) ** 2, or declare a distribution such as pr.Normal"
            )
        if name.startswith("_") or name in ("type", *self.fields):  # while the node is being made
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        if hasattr(type(self), name):  # a property that failed: its own error says why
            return object.__getattribute__(self, name)
        raise AttributeError(hints.method(show(self), name, _op()))

    # --- arithmetic: the author's order is kept ----------------------------------------------------------------
    def __add__(self, other: Any) -> Expr:
        return _combined("add", self, other)

    def __radd__(self, other: Any) -> Expr:
        return _combined("add", other, self)

    def __sub__(self, other: Any) -> Expr:
        return _combined("subtract", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return _combined("subtract", other, self)

    def __mul__(self, other: Any) -> Expr:
        return _combined("multiply", self, other)

    def __rmul__(self, other: Any) -> Expr:
        return _combined("multiply", other, self)

    def __truediv__(self, other: Any) -> Expr:
        return _combined("divide", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return _combined("divide", other, self)

    def __pow__(self, other: Any) -> Expr:
        return _combined("power", self, other)

    def __rpow__(self, other: Any) -> Expr:
        return _combined("power", other, self)

    def __neg__(self) -> Expr:
        return _op().negative(self)

    def __pos__(self) -> Expr:
        return self

    def __abs__(self) -> Expr:
        return _op().abs(self)

    def __lt__(self, other: Any) -> Expr:
        return _op().compare("lt", self, other)

    def __le__(self, other: Any) -> Expr:
        return _op().compare("le", self, other)

    def __gt__(self, other: Any) -> Expr:
        return _op().compare("gt", self, other)

    def __ge__(self, other: Any) -> Expr:
        return _op().compare("ge", self, other)

    # --- axes --------------------------------------------------------------------------------------------------
    def sum(self, *axes: str) -> Expr:
        """The sum over index axes, by name; the name may be left out when there is one."""
        return _op().reduce_index("sum", self, axes)

    def mean(self, *axes: str) -> Expr:
        """The mean over index axes, by name; the name may be left out when there is one."""
        return _op().reduce_index("mean", self, axes)

    def min(self, *axes: str) -> Expr:
        """The least value over index axes, by name; the name may be left out when there is one."""
        return _op().reduce_index("min", self, axes)

    def max(self, *axes: str) -> Expr:
        """The greatest value over index axes, by name; the name may be left out when there is one."""
        return _op().reduce_index("max", self, axes)

    def argmax(self, axis: str | None = None) -> Expr:
        """The index of the greatest value along an index axis."""
        return _op().arg("max", self, axis)

    def argmin(self, axis: str | None = None) -> Expr:
        """The index of the least value along an index axis."""
        return _op().arg("min", self, axis)

    def __getitem__(self, index: Any) -> Expr:
        return _op().getitem(self, index)

    def at(self, **indices: Any) -> Expr:
        """The entry at an index of a named axis: ``x.at(a=i)``."""
        return _op().at(self, **indices)

    def rename(self, **names: str) -> Expr:
        """The same value with an axis called otherwise: ``x.rename(i="j")``."""
        return _op().rename(self, **names)

    def to_event(self, axis: str) -> Expr:
        """The same value with an index axis turned into the last dimension of the event."""
        return _op().to_event(self, axis)

    def to_axis(self, axis: str) -> Expr:
        """The same value with the last dimension of the event turned into an index axis."""
        return _op().to_axis(self, axis)

    def named(self, name: str, meaning: str = "") -> Expr:
        """The same value under a name of its own, for metrics and where-lines; ``meaning`` says what the metric is."""
        return _op().named(self, name, meaning)

    # --- readings ----------------------------------------------------------------------------------------------
    def __call__(self, batch: Any, **options: Any) -> Any:
        """The value on a batch, computed now and eagerly: a tensor."""
        return read("evaluate", self, batch, **options)

    def latex(self, **options: Any) -> str:
        """The formula as LaTeX, with its where-lines and legend."""
        return read("latex", self, **options)

    def print_latex(self, **options: Any) -> None:
        """Prints the LaTeX; rendered in a notebook."""
        return read("print_latex", self, **options)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def text(self, batch: Any = None, **options: Any) -> str:
        """The formula as unicode text; with a batch, the value beside each named term."""
        return read("text", self, batch=batch, **options)

    def png(self, path: Any = None, **options: Any) -> Any:
        """The formula drawn by matplotlib's mathtext; needs no TeX installation."""
        return read("png", self, path, **options)

    def sympy(self, **options: Any) -> Any:
        """The formula in sympy: arithmetic becomes sympy's, the rest undefined functions."""
        return read("sympy", self, **options)

    def gradients(self, wrt: Any = None, **options: Any) -> Any:
        """Which term moves which parameters, and what is held still."""
        return read("gradients", self, wrt=wrt, **options)

    def graph(self, **options: Any) -> Any:
        """The formula as a ``torch.fx`` graph."""
        return read("graph", self, **options)

    @property
    def code(self) -> str:
        """The source of the graph: readable, and runnable on its own."""
        return read("code", self)

    def check(self, batch: Any, **options: Any) -> Any:
        """Verifies on a batch that the printed formula equals the executed graph, in value and gradient."""
        return read("check", self, batch, **options)

    @property
    def digest(self) -> str:
        """A hash of the canonical tree: renaming keeps it, changing an operator changes it."""
        return read("digest", self)


def _combined(name: str, x: Any, y: Any) -> Expr:
    """An operator's node; a refused operand is refused with what it stands beside."""
    made: Expr = getattr(_op(), name)(_op().operand(x, y), _op().operand(y, x))
    return made


def _op() -> Any:
    from probrl.expr import operators

    return operators

"""The closed set of primitive nodes: everything else is a definition over these twenty-four.

| group | nodes |
|---|---|
| leaves | Symbol, Number, State, Noise, Range |
| pointwise | Add, Mul, Pow, Unary, Extremum, Compare, Where |
| axes | Reduce, Arg, At, Rename, Shift, Join |
| structure | Call, Item, StopGradient, Derivative, Recursion, Definition |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probrl.expr.base import Expr

if TYPE_CHECKING:
    from probrl.expr.axes import Axis
    from probrl.expr.definition import Head
    from probrl.expr.state import Cell, Network

UNARY = ("exp", "log", "tanh", "sigmoid", "softplus", "abs", "sin", "cos", "atan", "floor", "sign", "lgamma", "digamma")
COMPARE = ("lt", "le", "gt", "ge", "eq", "ne")


class Symbol(Expr):
    """A column of the data, or (with a depth) the variable that a recursion binds."""

    __slots__ = fields = ("name", "rank", "axes", "depth")
    name: str
    rank: int | None
    axes: tuple[Axis, ...]
    depth: int | None


class Number(Expr):
    """A literal; with a letter, a constant that prints as it."""

    __slots__ = fields = ("value", "letter")
    value: int | float
    letter: str | None


class State(Expr):
    """A scalar that lives between updates: a learnable parameter, a running value, the progress of training."""

    __slots__ = fields = ("cell",)
    cell: Cell


class Noise(Expr):
    """A source of randomness with an identity: drawn outside the graph, an input of it.

    ``like`` gives axes and event shape (its value is not used), ``extra`` adds index axes of known sizes,
    ``options`` are the law's own numbers.
    """

    __slots__ = fields = ("uid", "law", "like", "extra", "options")
    uid: int
    law: str
    like: Expr | None
    extra: tuple[tuple[Axis, int], ...]
    options: tuple[Any, ...]


class Range(Expr):
    """0, 1, 2, ... along an axis; ``of`` is an expression that has the axis and thereby its size, or None."""

    __slots__ = fields = ("axis", "of")
    axis: Axis
    of: Expr | None


class Add(Expr):
    """x + y."""

    __slots__ = fields = ("x", "y")
    x: Expr
    y: Expr


class Mul(Expr):
    """x y."""

    __slots__ = fields = ("x", "y")
    x: Expr
    y: Expr


class Pow(Expr):
    """x to the power y."""

    __slots__ = fields = ("x", "y")
    x: Expr
    y: Expr


class Unary(Expr):
    """A function of one value, applied to each element; ``op`` is one of :data:`UNARY`."""

    __slots__ = fields = ("op", "x")
    op: str
    x: Expr


class Extremum(Expr):
    """The lesser ("min") or greater ("max") of two values."""

    __slots__ = fields = ("op", "x", "y")
    op: str
    x: Expr
    y: Expr


class Compare(Expr):
    """An indicator: 1 where the relation holds, else 0; ``op`` is one of :data:`COMPARE`."""

    __slots__ = fields = ("op", "x", "y")
    op: str
    x: Expr
    y: Expr


class Where(Expr):
    """x where the condition holds, else y."""

    __slots__ = fields = ("condition", "x", "y")
    condition: Expr
    x: Expr
    y: Expr


class Reduce(Expr):
    """sum, mean, min or max over named axes (a tuple), over the "data" or over the "event".

    Along an axis of the data, rows that a mask marks do not count, also where another axis owns the mask.
    """

    __slots__ = fields = ("op", "x", "over")
    op: str
    x: Expr
    over: tuple[str, ...] | str

    @property
    def counted(self) -> tuple[Axis, ...]:
        """The axes whose masks say which rows count."""
        if self.over == "event":
            return ()
        return counting(self.x, None if self.over == "data" else self.over)


def counting(x: Expr, over: tuple[str, ...] | str | None) -> tuple[Axis, ...]:
    """The axes whose masks say which rows count along some axes, None for all of the data."""
    data = x.type.data
    along = data if over is None else tuple(a for a in data if a.name in over)
    # a mask is a column: it differs along every axis of the data that has none of its own
    free = {a.source for a in along if a.mask is None}
    return tuple(a for a in data if a.mask is not None and (a in along or a.source in free))


class Arg(Expr):
    """The index of the extremum ("max" or "min") along an axis."""

    __slots__ = fields = ("op", "x", "axis")
    op: str
    x: Expr
    axis: str


class At(Expr):
    """The entry at an integer index of an axis (gather); the index's own axes stay."""

    __slots__ = fields = ("x", "axis", "index")
    x: Expr
    axis: str
    index: Expr


class Rename(Expr):
    """The same numbers under another axis; None stands for the last dimension of the event."""

    __slots__ = fields = ("x", "source", "target")
    x: Expr
    source: str | None
    target: str | None


class Shift(Expr):
    """The value at the following (offset 1) or preceding (offset -1) index; ``first`` fills in before the start."""

    __slots__ = fields = ("x", "axis", "offset", "first")
    x: Expr
    axis: str
    offset: int
    first: Expr | None


class Join(Expr):
    """Values side by side along a new index axis, or (axis None) one after another in the event."""

    __slots__ = fields = ("items", "axis")
    items: tuple[Expr, ...]
    axis: Axis | None


class Call(Expr):
    """A network applied in a role; ``lead`` are axes that the network itself puts in front (an ensemble's members).

    ``rank`` is the number of event dimensions of the output, or a tuple of them when it has several outputs.
    """

    __slots__ = fields = ("net", "role", "args", "rank", "lead")
    net: Network
    role: str
    args: tuple[Expr, ...]
    rank: int | tuple[int, ...]
    lead: tuple[Axis, ...]


class Item(Expr):
    """One of several results: of a call's outputs (or equal parts of its last dimension), or of a recursion's."""

    __slots__ = fields = ("x", "index", "count")
    x: Expr
    index: int
    count: int


class StopGradient(Expr):
    """The value, through which no gradient passes."""

    __slots__ = fields = ("x",)
    x: Expr


class Derivative(Expr):
    """ "grad": the gradient of y by the named node, per row. "jvp": the derivative of y along the tangents."""

    __slots__ = fields = ("op", "y", "wrt", "tangents")
    op: str
    y: Expr
    wrt: tuple[Expr, ...]
    tangents: tuple[Expr, ...]


class Recursion(Expr):
    """States that follow from those before (``reverse``: after) along an axis.

    ``states`` are the bound variables, ``steps`` what they become, ``inits`` what they are outside,
    ``outputs`` what is kept of each index. A row that is not valid restarts the states from ``inits``.
    """

    __slots__ = fields = ("states", "steps", "outputs", "inits", "axis", "reverse")
    states: tuple[Symbol, ...]
    steps: tuple[Expr, ...]
    outputs: tuple[Expr, ...]
    inits: tuple[Expr, ...]
    axis: str
    reverse: bool


class Definition(Expr):
    """A notation with a body: prints as the notation, runs as the body."""

    __slots__ = fields = ("head", "args")
    head: Head
    args: tuple[Expr, ...]

    @property
    def body(self) -> Expr:
        """What the definition stands for."""
        if "body" not in self._cache:
            self._cache["body"] = self.head.body(*self.args)
        return self._cache["body"]


NODES: tuple[type[Expr], ...] = (
    Symbol, Number, State, Noise, Range,
    Add, Mul, Pow, Unary, Extremum, Compare, Where,
    Reduce, Arg, At, Rename, Shift, Join,
    Call, Item, StopGradient, Derivative, Recursion, Definition,
)  # fmt: skip

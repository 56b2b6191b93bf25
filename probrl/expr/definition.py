"""Definitions: a notation and a body. What is printed short and run in full."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ClassVar

from probrl.expr import nodes as n
from probrl.expr.base import Expr


@dataclass(frozen=True)
class Apply:
    """The notation of a function: its name, what it is applied to, and what stands below its name."""

    name: str
    args: tuple[Expr, ...]
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class Letter:
    """The notation of a named value: the name alone; its meaning goes to a where-line."""

    name: str


@dataclass(frozen=True)
class Density:
    """The notation of a distribution: name, role, values and conditions, as in pi(a | s)."""

    name: str
    role: str
    values: tuple[Expr, ...] | None  # None prints a dot: the distribution itself
    given: tuple[Expr, ...]
    held: bool = False  # whether its parameters pass no gradient
    how: str = ""  # what else decides its numbers: the solver of a generative model


@dataclass(frozen=True)
class Functional:
    """The notation of a functional of distributions: "log", "H", "E", "Var", "KL" ... of densities."""

    op: str
    parts: tuple[Density, ...]


@dataclass(frozen=True)
class Asked:
    """The notation of a function that a distribution has: score[mu](x_t, t | s)."""

    op: str
    density: Density
    args: tuple[Expr, ...]


@dataclass(frozen=True)
class Drawn:
    """The notation of a draw: a letter of the variable, and the where-line that says whose it is."""

    variable: str
    density: Density
    uid: int


@dataclass(frozen=True)
class Itself:
    """The notation of what prints as its argument."""

    x: Expr


Notation = Apply | Letter | Density | Functional | Asked | Drawn | Itself


class Head:
    """What a definition is of; hashable, so that equal definitions are one node.

    Subclasses are frozen dataclasses that give ``name``, ``body`` and ``notation``.
    """

    name: str
    lettered: ClassVar[bool] = False  # whether it keeps its letter where definitions are printed by their bodies
    precise: ClassVar[bool] = False  # whether its body is computed in double precision, then cast

    def body(self, *args: Expr) -> Expr:
        """The expression that runs."""
        raise NotImplementedError

    def notation(self, *args: Expr) -> Notation:
        """What is printed."""
        raise NotImplementedError

    def declares(self, *args: Expr) -> Iterable[tuple[Expr, int]]:
        """The symbols among the arguments whose rank the definition settles."""
        return ()

    def timed(self, *args: Expr) -> Iterable[Expr]:
        """The arguments that are times from 0 (data) to 1 (noise)."""
        return ()

    def cut(self, node: Expr) -> Expr:
        """The node that a derivative by the definition is taken by, where formulas of it look behind its value."""
        return node

    def compared(self, args: tuple[Expr, ...], other: Head, others: tuple[Expr, ...]) -> None:
        """Refuses a ratio to (or a difference from) another definition that has no meaning."""


@dataclass(frozen=True)
class FunctionHead(Head):
    """A definition written as a Python function of expressions and of fixed options."""

    name: str
    function: Callable[..., Expr]
    options: tuple[tuple[str, Any], ...] = ()

    def body(self, *args: Expr) -> Expr:
        return self.function(*args, **dict(self.options))

    def notation(self, *args: Expr) -> Notation:
        return Apply(self.name, args, tuple(str(v) for _, v in self.options if v is not None))


@dataclass(frozen=True)
class PreciseHead(FunctionHead):
    """A function of scalars whose body runs in double precision on the arguments as they are, and is cast to their type."""

    precise: ClassVar[bool] = True

    def body(self, *args: Expr) -> Expr:
        return super().body(*map(WideHead.of, args))

    def declares(self, *args: Expr) -> Iterable[tuple[Expr, int]]:
        return ((a, 0) for a in args)


@dataclass(frozen=True)
class WideHead(Head):
    """A value in double precision; it prints as the value."""

    name: str

    @staticmethod
    def of(x: Expr) -> Expr:
        """A value in double precision, once."""
        is_wide = isinstance(x, n.Definition) and isinstance(x.head, WideHead)
        return x if is_wide else n.Definition(WideHead("wide"), (x,))

    def body(self, *args: Expr) -> Expr:
        return args[0]

    def notation(self, *args: Expr) -> Notation:
        return Itself(args[0])


@dataclass(frozen=True)
class NamedHead(Head):
    """A value under a name of its own, and what it says to who reads it among the metrics."""

    lettered: ClassVar[bool] = True

    name: str
    meaning: str = field(default="", compare=False)  # said to readers, and no part of what the value is

    def body(self, *args: Expr) -> Expr:
        return args[0]

    def notation(self, *args: Expr) -> Notation:
        return Letter(self.name)


def definition(name: str) -> Callable[[Callable[..., Expr]], Callable[..., Expr]]:
    """Turns a function of expressions into a definition, which prints as its name and runs as what it returns.

    Positional arguments are expressions (numbers are lifted); keyword-only ones are fixed options, such as the
    name of an axis, and print below the name.

    Example:
        >>> import probrl as pr
        >>> from probrl.expr.definition import definition
        >>> @definition("double")
        ... def double(x):
        ...     return x + x
        >>> str(double(pr.symbols("x")))
        'double(x)'
    """

    def decorate(function: Callable[..., Expr]) -> Callable[..., Expr]:
        signature = inspect.signature(function)

        @wraps(function)
        def build(*args: Any, **options: Any) -> Expr:
            from probrl.expr.operators import lift

            bound = signature.bind(*args, **options)
            bound.apply_defaults()
            exprs = tuple(lift(a) for a in bound.args)
            return n.Definition(FunctionHead(name, function, tuple(bound.kwargs.items())), exprs)

        return build

    return decorate

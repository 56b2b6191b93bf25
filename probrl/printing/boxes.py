"""What a formula looks like before it is written down: a few kinds of boxes, one precedence table for all readings.

The rules over the nodes (:mod:`layout`) turn a formula into boxes; the scripts (:mod:`latex`, :mod:`text`) write boxes.
So LaTeX and text cannot differ in order, sign, parentheses or letters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from probrl.printing.names import Name, Spelled


class Prec(IntEnum):
    """How tightly a box holds together; an operand that holds less tightly than its place needs gets parentheses."""

    RELATION = 0
    SUM = 1
    BIG = 2
    PRODUCT = 3
    PREFIX = 4
    ATOM = 5


@dataclass(frozen=True)
class Box:
    """Something to write."""


@dataclass(frozen=True)
class Word(Box):
    """Both spellings as they are."""

    spelled: Spelled


@dataclass(frozen=True)
class Literal(Box):
    """A number."""

    value: int | float


@dataclass(frozen=True)
class Letter(Box):
    """A name with the indices of its value."""

    name: Name
    indices: tuple[Spelled, ...] = ()

    @property
    def full(self) -> Name:
        """The name with its indices below."""
        return self.name.below(*self.indices)


@dataclass(frozen=True)
class Sum(Box):
    """Terms in the author's order."""

    terms: tuple[Box, ...]


@dataclass(frozen=True)
class Negative(Box):
    """Minus one times something."""

    x: Box


@dataclass(frozen=True)
class Product(Box):
    """Factors in the author's order."""

    factors: tuple[Box, ...]


@dataclass(frozen=True)
class Fraction(Box):
    """A quotient."""

    over: Box
    under: Box


@dataclass(frozen=True)
class Power(Box):
    """A base and its exponent."""

    base: Box
    exponent: Box


@dataclass(frozen=True)
class Root(Box):
    """A square root."""

    x: Box


@dataclass(frozen=True)
class Big(Box):
    """sum, mean, min, max, argmin or argmax over something, which stands below; ``mask`` says which rows count."""

    op: str
    under: Spelled
    x: Box
    mask: Box | None = None


@dataclass(frozen=True)
class Function(Box):
    """A name applied to arguments in parentheses; ``bars`` separate groups of arguments."""

    head: Box
    groups: tuple[tuple[Box, ...], ...]
    bar: Spelled = field(default=Spelled(r" \mid ", " | "))


@dataclass(frozen=True)
class Bracket(Box):
    """A name applied to one thing in square brackets: stop-gradient, indicator, entropy, gradient, expectation."""

    head: Box
    x: Box


@dataclass(frozen=True)
class Fenced(Box):
    """Something between fences: absolute value, norm, floor."""

    left: Spelled
    x: Box
    right: Spelled


@dataclass(frozen=True)
class Relation(Box):
    """Two sides and a sign between them."""

    left: Box
    sign: Spelled
    right: Box


@dataclass(frozen=True)
class Prefix(Box):
    """A sign before a box: the logarithm of a density, the gradient by a variable."""

    head: Box
    x: Box


@dataclass(frozen=True)
class Indexed(Box):
    """A value with an index behind it, in brackets, or below it."""

    x: Box
    index: Box
    brackets: bool = True


@dataclass(frozen=True)
class Listed(Box):
    """Several boxes one after another, separated by commas (or another sign)."""

    items: tuple[Box, ...]
    sign: Spelled = field(default=Spelled(r",\; ", ", "))


PRECEDENCE: dict[type[Box], Prec] = {
    Word: Prec.ATOM, Literal: Prec.ATOM, Letter: Prec.ATOM,
    Sum: Prec.SUM, Negative: Prec.SUM, Product: Prec.PRODUCT, Fraction: Prec.PRODUCT,
    Power: Prec.PREFIX, Root: Prec.ATOM, Big: Prec.BIG,
    Function: Prec.ATOM, Bracket: Prec.ATOM, Fenced: Prec.ATOM, Prefix: Prec.PREFIX, Indexed: Prec.ATOM,
    Relation: Prec.RELATION, Listed: Prec.RELATION,
}  # fmt: skip


def precedence(box: Box) -> Prec:
    """How tightly a box holds together; a negative literal holds like a sum."""
    if isinstance(box, Literal) and str(box.value).startswith("-"):
        return Prec.SUM
    return PRECEDENCE[type(box)]

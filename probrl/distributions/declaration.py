"""What a declaration such as ``"a | s"`` says: the variables of a distribution, their axes, and its conditions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from probrl.errors import ExpressionError

_VARIABLE = re.compile(r"^([A-Za-z]\w*)(?:\[\s*([A-Za-z]\w*(?:\s*,\s*[A-Za-z]\w*)*)\s*\])?$")
_NAME = re.compile(r"^[A-Za-z]\w*$")


@dataclass(frozen=True)
class Declaration:
    """The variables of a distribution, the index axes of each, and what they are conditioned on.

    Args:
        variables: the names of what is distributed.
        axes: for each variable the names of the index axes that its value has.
        conditions: the names of what stands behind the bar, in the order in which the network takes them.
    """

    variables: tuple[str, ...]
    axes: tuple[tuple[str, ...], ...]
    conditions: tuple[str, ...]

    @property
    def variable(self) -> str:
        """The first variable."""
        return self.variables[0]

    def __str__(self) -> str:
        made = [f"{v}[{','.join(a)}]" if a else v for v, a in zip(self.variables, self.axes, strict=True)]
        return ", ".join(made) + (f" | {', '.join(self.conditions)}" if self.conditions else "")


def declare(text: str) -> Declaration:
    """Reads a declaration.

    Args:
        text: variables, then perhaps a bar and conditions: ``"a | s"``, ``"q[a] | s"``, ``"z, inherent | o"``, ``"b"``.

    Errors:
        ExpressionError when it is not of this form, or names something twice.

    Example:
        >>> declare("q[a] | s")
        Declaration(variables=('q',), axes=(('a',),), conditions=('s',))
        >>> str(declare("z, inherent | o"))
        'z, inherent | o'
    """
    if not isinstance(text, str):
        raise ExpressionError(f"a distribution is declared by text such as 'a | s', not by {type(text).__name__}")
    left, bar, right = text.partition("|")
    variables, axes = [], []
    for part in _split(left):
        found = _VARIABLE.match(part)
        if found is None:
            raise ExpressionError(
                f"{text!r} declares no distribution: write variables, a bar and conditions, as in 'a | s' or 'q[a] | s'"
            )
        variables.append(found[1])
        axes.append(tuple(a.strip() for a in found[2].split(",")) if found[2] else ())
    conditions = _split(right) if bar else []
    if any(not _NAME.match(c) for c in conditions):
        raise ExpressionError(f"{text!r}: what stands behind the bar are names separated by commas, as in 'a | s, g'")
    names = [*variables, *conditions]
    twice = next((v for v in names if names.count(v) > 1), None)
    if twice is not None:
        raise ExpressionError(
            f"{text!r} names {twice!r} twice; what is distributed and what it depends on have different names"
        )
    return Declaration(tuple(variables), tuple(axes), tuple(conditions))


def _split(text: str) -> list[str]:
    parts = re.split(r",(?![^\[]*\])", text)
    return [p.strip() for p in parts] if text.strip() else [""]

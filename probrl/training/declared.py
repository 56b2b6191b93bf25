"""What an agent is made of, and how it reads: everything that its declaration alone can answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

from probrl.algorithms import Declaration
from probrl.expr.axes import BATCH
from probrl.program import Prepare, Program
from probrl.program.page import write
from probrl.program.steps import Step
from probrl.training.normalization import TIME, Normalization


class Said(Step):
    """A line in words on a program's page; nothing runs."""

    def __init__(self, text: str) -> None:
        self.text = text


@write.register
def _(step: Said, to: Any) -> None:
    to.remark(step.text)


class Readings(ABC):
    """How what learns reads: every equation of its program."""

    @property
    @abstractmethod
    def program(self) -> Any:
        """Every update, in the order in which it runs."""

    @property
    def equations(self) -> Any:
        """Everything that runs, as one program to be read."""
        return self.program

    @cached_property
    def digest(self) -> str:
        """A hash of the equations that it learns by."""
        return str(self.equations.digest)

    def latex(self, **options: Any) -> str:
        """Every equation that is trained, as LaTeX."""
        return str(self.equations.latex(**options))

    def print_latex(self, **options: Any) -> None:
        """Prints every equation that is trained; rendered in a notebook."""
        self.equations.print_latex(**options)

    def text(self, **options: Any) -> str:
        """Every equation that is trained, as unicode text."""
        return str(self.equations.text(**options))

    def png(self, path: Any = None, **options: Any) -> Any:
        """Every equation that is trained, as a picture."""
        return self.equations.png(path, **options)

    @property
    def code(self) -> str:
        """The source of the update's graph."""
        return str(self.program.code)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


class Declared(Readings):
    """The parts and the readings of a declaration.

    Attributes:
        declaration: the formulas: ``actor``, ``critic``, ``loss`` and ``program``.
    """

    declaration: Declaration
    normalization: Normalization

    @property
    def equations(self) -> Any:
        """Everything that runs, as one program to be read: what becomes of observations and rewards, then every update."""
        if not self.normalization.active:
            return self.program
        found = self.normalization.equations(_axes(self.program))
        said = [Said(words) for words in self.normalization.words]
        return Program(Prepare(**found), *said, *self.program.steps, act=self.program.act)

    @property
    def actor(self) -> Any:
        """The policy."""
        return self.declaration.actor

    @property
    def critic(self) -> Any:
        """The value that the policy is judged by."""
        return self.declaration.critic

    @property
    def encoder(self) -> Any:
        """What policy and value look at the observation through, or None."""
        return self.declaration.encoder

    @property
    def loss(self) -> Any:
        """The expression that is minimised."""
        return self.declaration.loss

    @property
    def program(self) -> Any:
        """Every update, in the order in which it runs."""
        return self.declaration.program


def _axes(program: Any) -> tuple[Any, ...]:
    """The axes of the data that a program reads, along which observations and rewards lie."""
    found = [c.axes for c in program.columns.values() if sum(a.data for a in c.axes) > 1]
    return found[0] if found else (BATCH, TIME)

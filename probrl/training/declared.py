"""What an agent is made of, and how it reads: everything that its declaration alone can answer."""

from __future__ import annotations

from typing import Any

from probrl.algorithms import Declaration


class Declared:
    """The parts and the readings of a declaration.

    Attributes:
        declaration: the formulas: ``actor``, ``critic``, ``loss`` and ``program``.
    """

    declaration: Declaration

    @property
    def actor(self) -> Any:
        """The policy."""
        return self.declaration.actor

    @property
    def critic(self) -> Any:
        """The value that the policy is judged by."""
        return self.declaration.critic

    @property
    def loss(self) -> Any:
        """The expression that is minimised."""
        return self.declaration.loss

    @property
    def program(self) -> Any:
        """Every update, in the order in which it runs."""
        return self.declaration.program

    @property
    def digest(self) -> str:
        """A hash of the equations that it learns by."""
        return str(self.program.digest)

    def latex(self, **options: Any) -> str:
        """Every equation that is trained, as LaTeX."""
        return str(self.program.latex(**options))

    def print_latex(self, **options: Any) -> None:
        """Prints every equation that is trained; rendered in a notebook."""
        self.program.print_latex(**options)

    def text(self, **options: Any) -> str:
        """Every equation that is trained, as unicode text."""
        return str(self.program.text(**options))

    def png(self, path: Any = None, **options: Any) -> Any:
        """Every equation that is trained, as a picture."""
        return self.program.png(path, **options)

    @property
    def code(self) -> str:
        """The source of the update's graph."""
        return str(self.program.code)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

"""What can go wrong, by kind: every error that a user can cause is one of these, with a message that says what to do."""


class ProbrlError(Exception):
    """Base of every error raised by this package on purpose."""


class ExpressionError(ProbrlError, TypeError):
    """A formula that has no meaning, refused while it is being composed, before any tensor exists."""


class DataError(ProbrlError, ValueError):
    """A batch, an observation or a file that does not fit what the formula declares."""


class NonFiniteError(ProbrlError, ArithmeticError):
    """A loss, a gradient, a parameter or a reward that is NaN or infinite."""


class EnvironmentError(ProbrlError, ValueError):
    """An environment, or a space of one, that cannot be used."""


class CheckpointError(ProbrlError, ValueError):
    """A file that is not a checkpoint of this package, is damaged, or belongs to something else."""


class MissingExtraError(ProbrlError, ImportError):
    """A feature whose optional dependency is not installed."""

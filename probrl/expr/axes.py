"""Named axes: what the dimensions of a value mean. Values align by the names of their axes, never by position."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Axis:
    """A named dimension; an axis of the data may own a mask column that says which of its rows count.

    ``pr.Axis("time", mask="valid")`` makes every mean, sum, least, greatest, standard deviation and recursion of what has
    this axis skip the rows whose ``valid`` entry is false, also along ``batch``: the mask has an entry for every row.

    Args:
        name: how the axis is called.
        mask: the name of the boolean column that marks the rows that count, or None.
        data: whether the axis belongs to the data (a column's) or is an index (a draw's, an ensemble's, an output's).
        source: the name of the data source whose rows run along the axis; None is the default source.
        open: whether only its name is known, so that it is whatever axis of that name it meets: that of ``pr.index("k")``.

    Example:
        >>> import torch, probrl as pr
        >>> r = pr.symbols("r", axes=pr.Axis("time", mask="valid"))
        >>> valid = torch.tensor([[True, True, False]])
        >>> pr.mean(r)({"r": torch.tensor([[1.0, 3.0, 99.0]]), "valid": valid})
        tensor(2.)
    """

    name: str
    mask: str | None = None
    data: bool = True
    source: str | None = None
    open: bool = field(default=False, repr=False)

    def __str__(self) -> str:
        return self.name


BATCH = Axis("batch")


def index_axis(name: str) -> Axis:
    """An axis that is not the data's: of samples, members, outputs or steps."""
    return Axis(name, data=False)


def batch_of(source: str | None) -> Axis:
    """The axis along which the rows of a data source run; the default source's is ``batch``."""
    return BATCH if source is None else Axis(source, source=source)

"""What went wrong inside a graph: the network or the index that did not fit the data, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from probrl.errors import DataError
from probrl.graph import ops

if TYPE_CHECKING:
    from probrl.graph.function import Function


@contextmanager
def explained(*runs: tuple[Function | None, Mapping[str, Any]]) -> Iterator[None]:
    """Turns torch's error about the data of some graphs into one that names what did not fit.

    The graphs are run again, node by node, only after one of them failed.

    Args:
        runs: functions with what their arguments are bound to, networks aside.

    Errors:
        DataError naming the network with the shapes and types that it was called with, or the index and its range.
    """
    try:
        yield
    except (RuntimeError, IndexError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        for function, bound in runs:
            if function is not None:
                Finder(function).look(bound)
        raise


class Finder(fx.Interpreter):
    """Runs a graph node by node until one cannot take its arguments."""

    def __init__(self, function: Function):
        super().__init__(function.module)
        self.extra_traceback = False  # torch would append its own to the message
        self.function = function
        self.names = {name: net.name for (net, _), name in function.inputs.networks.items()}

    @torch.no_grad()
    def look(self, bound: Mapping[str, Any]) -> None:
        """Raises the DataError that explains the first node that fails, if one does."""
        given = {**self.function.networks(), **bound}
        self.run(*(given[name] for name in self.function.arguments))

    def run_node(self, n: fx.Node) -> Any:
        """The node's value."""
        try:
            return super().run_node(n)
        except (RuntimeError, IndexError) as error:
            arguments = [self.env[a] if isinstance(a, fx.Node) else a for a in n.args]
            raise DataError(self._says(n, arguments, error)) from error

    def _says(self, node: fx.Node, arguments: list[Any], error: Exception) -> str:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if node.target is ops.network:
            who = self.names.get(str(node.args[0]), "a network")
            return (
                f"the network of {who} cannot take what it is called with, {described(arguments[1:])} (rows first): {reason}; "
                "give columns with as many features as its first layer takes, in the type of its weights"
            )
        if node.target is ops.gather and "out of bounds" in reason:
            x, index, dim = arguments[:3]
            return (
                f"'{node.args[1]}' goes from {int(index.min())} to {int(index.max())} and chooses among {x.shape[dim]}: "
                f"it must be within 0 to {x.shape[dim] - 1}"
            )
        return f"the step '{node.name}' of the graph cannot take {described(arguments)}: {reason}"


def described(arguments: Any) -> str:
    """The shapes and types of the tensors among arguments."""
    found = [a for a in tree_leaves(arguments) if isinstance(a, Tensor)]
    return " and ".join(f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in found) or "nothing"

"""What is asked of a sampler, checked: how many values, by which conditions, from where, and what is known of them."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_leaves

from probrl.errors import DataError, ExpressionError
from probrl.generative.conditioned import Shapes, joined

OPTIONS = ("batch_n", "sample_shape", "return_all", "reparam", "sample_mean", "n", "solver", "steps", "trajectory", "grid",
           "start", "known", "generator", "compiled")  # fmt: skip


def of_the_applied(dist: Any, name: str) -> Any:
    """What only an applied model has, asked of the model itself: one without conditions applies itself.

    Errors:
        ExpressionError saying how it is applied, where there are conditions.
    """
    if not dist.declaration.conditions:
        return getattr(dist.applied(()), name)
    names = ", ".join(dist.declaration.conditions)
    raise ExpressionError(
        f"{dist.notation} is declared as '{dist.declaration}': apply it first, {dist.notation}({names}).{name}(...)"
    )


def known_options(name: str, given: Iterable[str]) -> None:
    """Refuses an option that no sampler has.

    Errors:
        ExpressionError naming it, and the one that was meant.
    """
    for option in given:
        near = difflib.get_close_matches(option, OPTIONS, 1)
        meant = f"did you mean {near[0]}=?" if near else f"there are {', '.join(OPTIONS)}"
        raise ExpressionError(f"{name}.sample({option}=...): no such option; {meant}")


def as_tensors(start: Any) -> Any:
    """A start as tensors: lists and arrays are taken, one or by variable."""
    if isinstance(start, Mapping):
        return {name: as_tensors(value) for name, value in start.items()}
    return start if start is None or isinstance(start, Tensor) else torch.as_tensor(start)


def repeats(name: str, n: Any) -> int:
    """How often each condition is repeated.

    Errors:
        DataError unless it is a whole number from 1 on.
    """
    if n is None:
        return 1
    whole = None if isinstance(n, bool) or not hasattr(n, "__index__") or isinstance(n, Tensor) else operator.index(n)
    if whole is None or whole < 1:
        raise DataError(f"{name}.sample(n={n!r}): how often each condition is repeated is a whole number from 1 on")
    return whole


def lengths(name: str, columns: Mapping[str, Any], kind: str = "condition") -> dict[str, int]:
    """How many rows every condition (or whatever kind of column) has; of a dict, all its entries.

    Errors:
        DataError for what is no tensor with rows, and for columns of different lengths.
    """
    found: dict[str, int] = {}
    for column, value in columns.items():
        for where, x in tree_flatten_with_path(value)[0]:
            entry = column + keystr(where)
            if not isinstance(x, Tensor) or not x.dim():
                said = "one number" if isinstance(x, Tensor) else f"a {type(x).__name__}"
                raise DataError(
                    f"{name}: the {kind} '{entry}' is {said}; give a tensor with rows: torch.as_tensor(...)"
                )
            found[entry] = len(x)
    if len(set(found.values())) > 1:
        said = ", ".join(f"{c} {rows}" for c, rows in found.items())
        raise DataError(f"{name}: its {kind}s have different lengths: {said}")
    return found


def finite(name: str, values: Mapping[str, Any]) -> None:
    """Refuses NaN and infinity; while a graph is traced, where nothing is known of values, it does not look.

    Errors:
        DataError naming the entry and how many rows of it are not finite.
    """
    if torch.compiler.is_compiling():
        return
    for key, value in values.items():
        for x in tree_leaves(value):
            if isinstance(x, Tensor) and x.is_floating_point() and not bool(x.isfinite().all()):
                rows = int((~x.isfinite()).flatten(1).any(1).sum()) if x.dim() > 1 else int((~x.isfinite()).sum())
                raise DataError(
                    f"{name}: '{key}' holds NaN or infinity in {rows} of its {len(x) if x.dim() else 1} rows"
                )


def refuse_rising(name: str, times: Any, start: Any) -> None:
    """Refuses to go from noise to more noise; from a start of one's own, a rising grid leads there along the flow.

    Errors:
        DataError for a rising grid without a start.
    """
    if start is None and times[0] < times[-1]:
        raise DataError(
            f"{name}.sample(grid=...): samples go from noise to data, so the times fall; a rising grid, from {times[0]:g} to "
            f"{times[-1]:g}, takes data as start="
        )


def refuse_traced(name: str, what: str) -> None:
    """Refuses what cannot be part of a compiled graph, while one is traced.

    Errors:
        ExpressionError saying what to do.
    """
    if torch.compiler.is_compiling():
        raise ExpressionError(
            f"{name}.sample({what}) is no part of a graph that torch.compile makes: sample outside of the compiled function"
        )


def replaced(name: str, known: Any, rows: int, shapes: Shapes) -> tuple[Tensor, Tensor] | None:
    """The mask and the values of what is known, each ``(rows, *event)``; of several variables, dicts are joined.

    Errors:
        DataError for no pair, for other shapes, and for values that are not finite where they are known.
    """
    if known is None:
        return None
    if not isinstance(known, (tuple, list)) or len(known) != 2:
        raise DataError(f"{name}.sample(known=...): a pair (mask, value) of what is known and its values")
    parts = [_parts(name, word, x, rows, shapes) for word, x in zip(("mask", "value"), known, strict=True)]
    mask, value = (joined(p, shapes) if len(shapes) > 1 else p[next(iter(shapes))] for p in parts)
    mask = mask != 0
    if value.is_floating_point():
        finite(f"{name}.sample(known=(mask, value))", {"value": torch.where(mask, value, 0.0)})
    return mask, value


def _parts(name: str, word: str, given: Any, rows: int, shapes: Shapes) -> dict[str, Tensor]:
    if not isinstance(given, Mapping):
        if len(shapes) > 1:
            raise DataError(
                f"{name}.sample(known=...): of several variables the {word} is a dict with {', '.join(shapes)}"
            )
        given = {next(iter(shapes)): given}
    found = {}
    for variable, shape in shapes.items():
        if variable not in given:
            raise DataError(f"{name}.sample(known=...): the {word} lacks '{variable}'")
        x, whole = torch.as_tensor(given[variable]), (rows, *shape)
        try:
            found[variable] = x.expand(whole)
        except RuntimeError:
            raise DataError(
                f"{name}.sample(known=(mask, value)): the {word} has the shape {tuple(x.shape)}, and {whole} is needed"
            ) from None
    return found

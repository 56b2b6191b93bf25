"""Time: recursions along an axis, and the values before and after."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr, show
from probrl.expr.operators import lift
from probrl.expr.traversal import everything, walk

_depth = 0


def recursion(body: Callable[..., Any], init: Any, over: str, reverse: bool = False) -> Any:
    """States computed along an axis, each from the one before it (with ``reverse``, from the one after it).

    The value at an index is ``body`` of the value at the index before; before the first it is ``init``, which is
    not part of the result. A row that is not valid restarts the state from ``init``. A draw in the body is one per
    index.

    Args:
        body: maps the state(s) before to the state at an index; with several states it returns a tuple of them, and
            ``(states, outputs)`` to keep something else than the states.
        init: the state outside, or a tuple of them.
        over: the axis.
        reverse: whether the recursion runs from the last index to the first.

    Returns:
        The states at every index, an expression with the axis; a tuple when there are several.

    Errors:
        ExpressionError: when the body lacks the axis, or returns another number of states than ``init`` has.

    Example:
        >>> import probrl as pr
        >>> r = pr.symbols("r", axes="time")
        >>> G = pr.recursion(lambda G: r + 0.99 * G, init=0, over="time", reverse=True)
    """
    global _depth
    inits = tuple(lift(i) for i in (init if isinstance(init, tuple) else (init,)))
    for start in inits:
        if over in start.type.names:
            raise ExpressionError(
                f"the recursion over '{over}' starts from {show(start)}, which has a value for each index of that axis: a start is one value "
                f"for all of them; take one with .at({over}=0), or use it in the body"
            )
    names = _parameters(body, len(inits))
    guess: list[tuple[tuple[Axis, ...], int | None]] = [(i.type.axes, i.type.rank) for i in inits]
    _depth += 1
    try:
        for _ in range(6):
            states = tuple(n.Symbol(name, rank, axes, _depth) for name, (axes, rank) in zip(names, guess, strict=True))
            steps, outputs = _results(body(*states), len(inits))
            found = [_settle(step, i, over) for step, i in zip(steps, inits, strict=True)]
            if found == guess:
                break
            guess = found
        else:
            raise ExpressionError(
                f"the recursion over '{over}' changes the axes of its state at every step: {show(steps[0])}"
            )
    finally:
        _depth -= 1
    if not any(a.name == over for step in (*steps, *outputs) for a in step.type.axes):
        raise ExpressionError(
            f"the recursion over '{over}': nothing in its body has that axis ({show(steps[0])}); declare a column with axes='{over}'"
        )
    node = n.Recursion(states, steps, outputs, inits, over, reverse)
    if len(outputs) == 1:
        return node
    return tuple(n.Item(node, i, len(outputs)) for i in range(len(outputs)))


def _parameters(body: Callable[..., Any], count: int) -> list[str]:
    names = [p.name for p in inspect.signature(body).parameters.values()]
    if len(names) != count:
        raise ExpressionError(
            f"the recursion's body takes {len(names)} states ({', '.join(names)}) and init gives {count}: "
            "write one parameter per state, and init=(x, y) for two"
        )
    return names


def _results(result: Any, count: int) -> tuple[tuple[Expr, ...], tuple[Expr, ...]]:
    if count == 1 and not isinstance(result, tuple):
        states: tuple[Any, ...] = (result,)
        return (lift(result),), (lift(result),)
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], tuple):
        states, outputs = result
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    elif count == 1 and len(result) == 2:
        states, outputs = (result[0],), result[1] if isinstance(result[1], tuple) else (result[1],)
    else:
        states = outputs = result if isinstance(result, tuple) else (result,)
    if len(states) != count:
        shown = ", ".join(show(x) if isinstance(x, Expr) else repr(x) for x in states)
        raise ExpressionError(
            f"the recursion's body returns {len(states)} states ({shown}) and init gives {count}; to keep something else than "
            "the states, return (states, outputs)"
        )
    return tuple(map(lift, states)), tuple(map(lift, outputs))


def _settle(step: Expr, init: Expr, over: str) -> tuple[tuple[Axis, ...], int | None]:
    axes = {a.name: a for a in (*step.type.axes, *init.type.axes)}
    rank = step.type.rank if step.type.rank is not None else init.type.rank
    return tuple(axes.values()), rank or 0


def following(x: Any, over: str | None = None) -> Expr:
    """x at the following index: pr.next. On the last row of an episode it reads the row that holds its last observation.

    Example:
        >>> import torch, probrl as pr
        >>> r = pr.symbols("r", axes=pr.Axis("time", mask="valid"))
        >>> batch = {"r": torch.tensor([[1.0, 2.0, 3.0]]), "valid": torch.tensor([[True, True, False]])}
        >>> pr.next(r)(batch)
        tensor([[2., 3., 3.]])
    """
    x = lift(x)
    return n.Shift(x, over or _time_of(x, "next"), 1, None)


def preceding(x: Any, first: Any = 0, over: str | None = None) -> Expr:
    """x at the preceding index, ``first`` at the start of an episode: pr.prev.

    Example:
        >>> import torch, probrl as pr
        >>> a = pr.symbols("a", axes="time")
        >>> pr.prev(a, first=-1)({"a": torch.tensor([[1.0, 2.0, 3.0]])})
        tensor([[-1.,  1.,  2.]])
    """
    x = lift(x)
    return n.Shift(x, over or _time_of(x, "prev"), -1, lift(first))


def _time_of(x: Expr, verb: str) -> str:
    time = [a for a in x.type.data if a.name != "batch" and a.name != a.source]
    if len(time) != 1:
        have = ", ".join(f"'{a}'" for a in x.type.names) or "none"
        raise ExpressionError(
            f"pr.{verb}({show(x)}): along which axis? It has {have}; write pr.{verb}(x, over='time') on a column with axes='time'"
        )
    return time[0].name


def affine(node: n.Recursion) -> tuple[Expr, Expr] | None:
    """(a, b) with step = a * state + b and neither depending on the state, or None when it is not so."""
    if len(node.states) != 1 or node.outputs != node.steps:
        return None
    state = node.states[0]
    free = {x for x in walk(node.steps[0], through=everything) if x is state or _mentions(x, state)}
    if state not in free or any(isinstance(x, n.Noise) for x in walk(node.steps[0], through=everything)):
        return None
    return _split(node.steps[0], state, free)


def _mentions(x: Expr, state: Expr) -> bool:
    if x is state:
        return True
    memo = x._cache.setdefault("mentions", {})
    if state not in memo:
        memo[state] = any(_mentions(c, state) for c in everything(x))
    return memo[state]


_ZERO, _ONE = n.Number(0, None), n.Number(1, None)


def _split(x: Expr, state: Expr, free: set[Expr]) -> tuple[Expr, Expr] | None:
    if x not in free:
        return _ZERO, x
    if x is state:
        return _ONE, _ZERO
    if isinstance(x, n.Definition):
        return _split(x.body, state, free)
    if isinstance(x, n.Add):
        left, right = _split(x.x, state, free), _split(x.y, state, free)
        return None if left is None or right is None else (_plus(left[0], right[0]), _plus(left[1], right[1]))
    if isinstance(x, n.Mul):
        if x.x in free and x.y in free:
            return None
        held, moving = (x.y, x.x) if x.x in free else (x.x, x.y)
        inner = _split(moving, state, free)
        return None if inner is None else (_times(held, inner[0]), _times(held, inner[1]))
    return None


def _plus(x: Expr, y: Expr) -> Expr:
    return y if x is _ZERO else x if y is _ZERO else x + y


def _times(x: Expr, y: Expr) -> Expr:
    return _ZERO if _ZERO in (x, y) else x if y is _ONE else y if x is _ONE else x * y


def unbound(x: Expr) -> frozenset[n.Symbol]:
    """The variables of recursions that a formula reads and does not bind itself."""
    if "unbound" not in x._cache:
        for node in walk(x, through=everything):  # children first, so that the depth of a formula is not Python's
            if "unbound" not in node._cache:
                own = isinstance(node, n.Symbol) and node.depth is not None
                below = [c._cache["unbound"] for c in everything(node)]
                found = frozenset((node,)) if own else frozenset().union(*below)
                node._cache["unbound"] = found - frozenset(node.states) if isinstance(node, n.Recursion) else found
    return x._cache["unbound"]

"""Walking and rebuilding terms: the one place that knows where a node keeps its children."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from probrl.expr.base import Expr
from probrl.expr.nodes import Definition


def children(node: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions as written: a definition's are its arguments, not its body."""
    found: list[Expr] = []
    for name in node.fields:
        value = getattr(node, name)
        if isinstance(value, Expr):
            found.append(value)
        elif isinstance(value, tuple):
            found.extend(v for v in value if isinstance(v, Expr))
    return tuple(found)


def executed(node: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions as run: a definition's is its body."""
    return (node.body,) if isinstance(node, Definition) else children(node)


def rebuild(node: Expr, new: Iterable[Expr]) -> Expr:
    """The same node over other children, given in the order of :func:`children`."""
    queue = iter(new)

    def replaced(value: Any) -> Any:
        if isinstance(value, Expr):
            return next(queue)
        if isinstance(value, tuple):
            return tuple(next(queue) if isinstance(v, Expr) else v for v in value)
        return value

    return type(node)(*(replaced(getattr(node, f)) for f in node.fields))


def walk(*roots: Expr, through: Callable[[Expr], tuple[Expr, ...]] = children) -> Iterator[Expr]:
    """Every node once, children before parents, left to right.

    Args:
        roots: where to start.
        through: :func:`children` (as written) or :func:`executed` (as run), or both in turn.
    """
    seen: set[Expr] = set()
    stack: list[tuple[Expr, bool]] = [(r, False) for r in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((c, False) for c in reversed(through(node)) if c not in seen)


def everything(node: Expr) -> tuple[Expr, ...]:
    """The children as written and, of a definition, its body as well."""
    return (*children(node), node.body) if isinstance(node, Definition) else children(node)


def transform(root: Expr, rule: Callable[[Expr], Expr | None]) -> Expr:
    """The tree with every node that the rule answers replaced by its answer, from the leaves up."""
    done: dict[Expr, Expr] = {}
    for node in walk(root):
        kids = children(node)
        new = tuple(done[k] for k in kids)
        rebuilt = node if new == kids else rebuild(node, new)
        answer = rule(rebuilt)
        done[node] = rebuilt if answer is None else answer
    return done[root]


def substitute(root: Expr, replacements: Mapping[Expr, Expr]) -> Expr:
    """The tree with some nodes replaced by others."""
    done: dict[Expr, Expr] = dict(replacements)
    for node in walk(root):
        if node not in done:
            kids = children(node)
            new = tuple(done[k] for k in kids)
            done[node] = node if new == kids else rebuild(node, new)
    return done[root]


def depends(root: Expr, on: Expr) -> bool:
    """Whether a node occurs in what an expression runs."""
    return any(node is on for node in walk(root, through=everything))

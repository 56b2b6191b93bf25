"""What is refused while a program is composed, before any tensor exists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import nn

from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr, show
from probrl.expr.ranks import settle
from probrl.expr.recursion import unbound
from probrl.expr.traversal import everything, executed, walk
from probrl.graph.cells import tensor_of

if TYPE_CHECKING:
    from probrl.program.repeats import Fit
    from probrl.program.steps import Step
    from probrl.program.wrt import Moved

MOVING = {"old": "pr.Snapshot", "target": "pr.Polyak(..., tau=0.005)", "ema": "pr.Polyak(..., tau=0.005)"}


def is_closed(x: Expr) -> None:
    """Refuses the variable of a recursion outside the recursion's body."""
    loose = unbound(x)
    if loose:
        name = next(iter(loose)).name
        raise ExpressionError(
            f"{show(x)}: '{name}' is the variable of a recursion and has no value outside its body; use what pr.recursion returns: "
            f"{name} = pr.recursion(lambda {name}: ..., init=..., over=...)"
        )


def is_number(x: Expr, verb: str) -> None:
    """Refuses what is not one number: rows, index axes or coordinates are left."""
    is_closed(x)
    (x,) = settle(x)
    if x.type.axes:
        names = ", ".join(f"'{a}'" for a in x.type.names)
        raise ExpressionError(
            f"{verb}: {show(x)} is no number, the axes {names} are left; write pr.mean(...) around it"
        )
    if x.type.rank:
        raise ExpressionError(
            f"{verb}: {show(x)} is no number but a {x.type}; reduce the coordinates first: pr.sqnorm(x), pr.dot(x, y) or pr.sum_event(x)"
        )


def is_amount(x: Any, verb: str, zero: bool = False) -> None:
    """Refuses what is neither a positive number nor a formula of one number."""
    if isinstance(x, Expr):
        is_number(x, verb)
    elif isinstance(x, bool) or not isinstance(x, (int, float)) or not (x >= 0 if zero else x > 0):
        raise ExpressionError(
            f"{verb}: {x!r} is no positive number; write one, or a formula such as 3e-4 * (1 - pr.progress)"
        )


def is_count(x: Any, verb: str) -> None:
    """Refuses what is no positive whole number."""
    if isinstance(x, bool) or not isinstance(x, (int, float)) or x < 1 or x != int(x):
        raise ExpressionError(f"{verb}: {x!r} is no positive whole number")


def is_step(step: Any, verb: str) -> None:
    """Refuses what is no step of a program."""
    from probrl.program.steps import Step

    if not isinstance(step, Step):
        raise ExpressionError(
            f"{verb} takes steps (pr.Minimize, pr.Prepare, ...), not {show(step) if isinstance(step, Expr) else repr(step)}; "
            "a loss is minimised: pr.Minimize(loss, wrt=pi)"
        )


def differentiable(x: Expr) -> tuple[Expr, ...]:
    """The sub-formulas of a node that its gradient passes to."""
    if isinstance(x, (n.StopGradient, n.Compare, n.Arg, n.Noise, n.Range)):
        return ()
    if isinstance(x, n.Unary) and x.op in ("floor", "sign"):
        return ()
    if isinstance(x, n.At):
        return (x.x,)
    if isinstance(x, n.Where):
        return (x.x, x.y)
    return executed(x)


def moves(root: Expr) -> set[int]:
    """The identities of the parameters that a gradient of a formula reaches."""
    found: set[int] = set()
    for node in walk(root, through=differentiable):
        if isinstance(node, n.Call) and node.role == "live" and isinstance(node.net.module, nn.Module):
            found.update(id(p) for p in node.net.module.parameters())
        elif isinstance(node, n.State):
            found.add(id(tensor_of(node.cell)))
    return found


def reaches(loss: Expr, wrt: Iterable[Moved]) -> None:
    """Refuses a ``wrt`` that the loss does not move, and a draw that cuts its gradient."""
    for draw in draws_without_gradient(loss):
        inside = moves_through(draw)
        for moved in wrt:
            if any(id(p) in inside for p in moved.every):
                raise ExpressionError(
                    f"{show(draw)} is drawn from {moved.name}, which is in wrt, and passes it no gradient: take an expectation "
                    "(pr.expect(body, over=draw, how='exact') or 'score'), draw with gradient='straight-through', or hold it: pr.stop_gradient(draw)"
                )
    reached = moves(loss)
    for moved in wrt:
        if not any(id(p) in reached for p in moved.every):
            raise ExpressionError(
                f"the loss does not move {moved.name}: {show(loss)} reaches it nowhere, or only under a stop-gradient or in another role; take it out of wrt"
            )


def draws_without_gradient(loss: Expr) -> list[n.Definition]:
    """The draws in a formula whose value passes no gradient to the parameters they are drawn from."""
    return [
        node
        for node in walk(loss, through=lambda x: () if isinstance(x, n.StopGradient) else executed(x))
        if isinstance(node, n.Definition)
        and getattr(node.head, "reparameterised", True) is False
        and not getattr(node.head, "held", False)
    ]


def moves_through(draw: n.Definition) -> set[int]:
    """The parameters of the distribution that a value is drawn from."""
    found: set[int] = set()
    for node in walk(draw, through=everything):
        if isinstance(node, n.Call) and node.role == "live" and isinstance(node.net.module, nn.Module):
            found.update(id(p) for p in node.net.module.parameters())
    return found


def along_data(node: Expr) -> str | None:
    """The axis of the data along which a node reads other rows than its own, or None; what is over all rows is not meant."""
    if isinstance(node, (n.Recursion, n.Shift)):
        return node.axis
    if isinstance(node, n.Range):
        return node.axis.name if node.axis.data else None
    names = node.over if isinstance(node, n.Reduce) else (node.axis,) if isinstance(node, (n.At, n.Arg)) else ()
    if isinstance(names, str) or not isinstance(node, (n.Reduce, n.At, n.Arg)):
        return None
    return next((name for name in names if node.x.type.axis(name).data), None)


def runs_on_rows(fit: Fit) -> None:
    """Refuses what reads other rows inside a Fit over shuffled rows: recursions, shifts, reductions along time."""
    for inner in fit.walk():
        if inner is not fit and getattr(inner, "minibatch", None) is not None:
            continue
        for x in inner.expressions().values():
            for node in walk(x, through=executed):
                axis = along_data(node)
                if axis is not None:
                    raise ExpressionError(
                        f"pr.Fit over shuffled rows cannot run {show(node)}, which reads other rows of '{axis}': compute it in a "
                        "pr.Prepare before the Fit, or repeat over whole episodes with unit='episode'"
                    )


def one_source(fit: Fit) -> None:
    """Refuses minibatches over rows of several data sources, which have nothing to do with each other."""
    read = (x for step in fit.walk() for x in step.expressions().values())
    columns = [x for x in walk(*read, through=executed) if isinstance(x, n.Symbol) and x.depth is None]
    sources = list(dict.fromkeys(a.source for x in columns for a in x.axes if a.data))
    if len(sources) > 1:
        names = " and ".join(f"'{s or 'batch'}'" for s in sources)
        raise ExpressionError(
            f"pr.Fit(minibatch={fit.minibatch}) reads the data sources {names}, whose rows do not go together: draw minibatches of "
            "both outside, and leave minibatch out"
        )


def role_view(view: Any, verb: str, allowed: tuple[str, ...]) -> Any:
    """Refuses what is not a role that the verb moves."""
    role = getattr(view, "role", None)
    if role is None or not handles(view):
        raise ExpressionError(
            f"{verb}({getattr(view, 'notation', view)}): name the role that it moves, as in {verb}(Q.{allowed[0]})"
        )
    if role not in allowed:
        raise ExpressionError(
            f"{verb} does not move the role '{role}' of {view.notation}; it moves {' and '.join(allowed)}, as in {verb}({view.notation}.{allowed[0]})"
        )
    return view


def handles(view: Any) -> list[Any]:
    """The networks of a distribution, in whatever role it is looked at."""
    return list(getattr(view, "networks", ()))


def roles_are_moved(steps: Iterable[Step]) -> None:
    """Refuses a program that reads a moved role which none of its steps moves."""
    from probrl.program.moves import Move

    everything_ = list(steps)
    moved = {(id(net), s.role) for s in everything_ if isinstance(s, Move) for net in s.networks}
    for step in everything_:
        for x in step.expressions().values():
            for node in walk(x, through=executed):
                if isinstance(node, n.Call) and node.role in MOVING and (id(node.net), node.role) not in moved:
                    owner = getattr(node.net.owner, "notation", None) or node.net.name
                    raise ExpressionError(
                        f"{show(node)} reads {owner}.{node.role}, which no step of the program moves: add {MOVING[node.role].split('(')[0]}({owner}.{node.role}"
                        f"{', tau=0.005' if 'Polyak' in MOVING[node.role] else ''}), or read {owner}.reference, which is never moved"
                    )

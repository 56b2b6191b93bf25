"""The rule of every notation that a definition can have: functions, named values, densities, functionals, draws."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

from probrl.expr import definition as d
from probrl.expr import nodes as n
from probrl.printing import boxes as b
from probrl.printing.functions import define, reduces_data
from probrl.printing.layout import EQUALS, function_name, upright
from probrl.printing.names import Spelled, in_role, parse, plain
from probrl.printing.scope import Row

if TYPE_CHECKING:
    from probrl.printing.desk import Desk

NORM = (Spelled(r"\|", "‖"), Spelled(r"\|", "‖"))
ANGLES = (Spelled(r"\langle ", "⟨"), Spelled(r" \rangle", "⟩"))
FUNCTIONALS = {
    "H": Spelled(r"\mathcal{H}", "ℋ"),
    "E": Spelled(r"\mathbb{E}", "𝔼"),
    "Var": Spelled(r"\operatorname{Var}", "Var"),
    "KL": Spelled(r"D_{\mathrm{KL}}", "KL"),
}
DOT = b.Word(Spelled(r"\cdot", "·"))
BARS = Spelled(r" \,\|\, ", " ‖ ")


@singledispatch
def lay_notation(notation: Any, node: n.Definition, desk: Desk) -> b.Box:
    """The box of a definition, by its notation."""
    raise NotImplementedError(f"{type(notation).__name__} has no printing rule")


@lay_notation.register(d.Apply)
def _(notation: d.Apply, node: n.Definition, desk: Desk) -> b.Box:
    args = tuple(desk.box(a) for a in notation.args)
    if notation.name == "sqnorm" and len(args) == 1:
        return b.Power(b.Fenced(NORM[0], args[0], NORM[1]), b.Literal(2))
    if notation.name == "dot" and len(args) == 2:
        return b.Fenced(ANGLES[0], b.Listed(args), ANGLES[1])
    key = ("function", notation.name, _meaning(node.head))
    name = desk.letters.claim(key, function_name(notation.name), "another of that name")
    below = [desk.word_below(node, word) for word in notation.below]
    if (data := reduces_data(node)) is not None:
        below.append(desk.data_of(data))
    define(node, desk)
    return b.Function(b.Letter(name, tuple(below)), (args,))


def _meaning(head: d.Head) -> Any:
    """What tells two definitions of one name apart, whatever their options."""
    return head.function if isinstance(head, d.FunctionHead) else type(head)


@lay_notation.register(d.Itself)
def _(notation: d.Itself, node: n.Definition, desk: Desk) -> b.Box:
    return desk.box(notation.x)


@lay_notation.register(d.Letter)
def _(notation: d.Letter, node: n.Definition, desk: Desk) -> b.Box:
    return desk.named(node, parse(notation.name), lambda: desk.box(node.args[0] if node.args else node.body))


@lay_notation.register(d.Density)
def _(notation: d.Density, node: n.Definition, desk: Desk) -> b.Box:
    return density(notation, node.head, desk)


def density(notation: d.Density, head: Any, desk: Desk, index: int | None = None) -> b.Box:
    """A distribution's name, in its role, over values and conditions; a dot stands for values that are not given."""
    letter = model(notation, head, desk, index)
    values = (DOT,) if notation.values is None else tuple(desk.outside(v) for v in notation.values)
    given = tuple(desk.outside(g) for g in notation.given)
    return b.Function(letter, (values, given) if given else (values,))


def model(notation: d.Density, head: Any, desk: Desk, index: int | None = None) -> b.Box:
    """A distribution's name, in its role, with what else decides its numbers above it."""
    owner = distribution_of(head, notation, index)
    wish = in_role(parse(notation.name), notation.role)
    key: tuple[Any, ...] = ("model", owner, notation.name, notation.role)
    if notation.how:
        wish, key = wish.above(Spelled(rf"\text{{{plain(notation.how)}}}", notation.how)), (*key, notation.how)
    name = desk.letters.claim(key, wish, "another of that name")
    desk.legend.family(name, owner)
    letter: b.Box = b.Letter(name, desk.leads(owner))
    return b.Bracket(upright("sg"), letter) if notation.held else letter


def distribution_of(head: Any, notation: d.Density, index: int | None = None) -> Any:
    """What has the name of a density: the distribution, if the head says which.

    Distributions whose parameters are expressions show them as conditions, so that two of a family are one.
    """
    if index is not None and hasattr(head, "p") and hasattr(head, "q"):  # of a divergence, one of each
        head = (head.p, head.q)[index]
    found = getattr(head, "dist", notation.name)
    return type(found) if getattr(found, "given", ()) else found


@lay_notation.register(d.Functional)
def _(notation: d.Functional, node: n.Definition, desk: Desk) -> b.Box:
    parts = [density(p, node.head, desk, i) for i, p in enumerate(notation.parts)]
    if notation.op == "log" and len(parts) == 1:
        return b.Prefix(b.Word(Spelled(r"\log ", "log ")), parts[0])
    head = b.Word(FUNCTIONALS[notation.op]) if notation.op in FUNCTIONALS else upright(notation.op)
    if len(parts) == 1:
        return b.Bracket(head, parts[0])
    return b.Function(head, tuple((p,) for p in parts), BARS)


@lay_notation.register(d.Asked)
def _(notation: d.Asked, node: n.Definition, desk: Desk) -> b.Box:
    head = b.Bracket(b.Letter(function_name(notation.op)), model(notation.density, node.head, desk))
    args, given = (tuple(desk.outside(x) for x in group) for group in (notation.args, notation.density.given))
    asked = b.Function(head, (args, given) if given else (args,))
    key = ("formula", node)
    if desk.defines and not desk.asked(key):
        desk.later(key, lambda: Row(asked, EQUALS, desk.outside(node.body), True))
    return asked


@lay_notation.register(d.Drawn)
def _(notation: d.Drawn, node: n.Definition, desk: Desk) -> b.Box:
    return desk.draw(node, notation)

"""The rule of every node: what a formula looks like, before a script is chosen."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from probrl.expr import nodes as n
from probrl.expr.axes import Axis
from probrl.expr.base import Expr
from probrl.printing import boxes as b
from probrl.printing.names import GREEK, Name, Spelled, parse

if TYPE_CHECKING:
    from probrl.printing.desk import Desk

FUNCTIONS = {
    "exp": Spelled(r"\exp", "exp"),
    "log": Spelled(r"\log", "log"),
    "tanh": Spelled(r"\tanh", "tanh"),
    "sigmoid": Spelled(r"\operatorname{sigmoid}", "sigmoid"),
    "softplus": Spelled(r"\operatorname{softplus}", "softplus"),
    "sin": Spelled(r"\sin", "sin"),
    "cos": Spelled(r"\cos", "cos"),
    "atan": Spelled(r"\arctan", "arctan"),
    "sign": Spelled(r"\operatorname{sign}", "sign"),
    "lgamma": Spelled(r"\log\Gamma", "logΓ"),
    "digamma": Spelled(r"\operatorname{digamma}", "digamma"),
    "min": Spelled(r"\min", "min"),
    "max": Spelled(r"\max", "max"),
}
FENCES = {
    "abs": (Spelled("|", "|"), Spelled("|", "|")),
    "floor": (Spelled(r"\lfloor ", "⌊"), Spelled(r" \rfloor", "⌋")),
}
SIGNS = {
    "lt": Spelled(" < ", " < "),
    "le": Spelled(r" \leq ", " ≤ "),
    "gt": Spelled(" > ", " > "),
    "ge": Spelled(r" \geq ", " ≥ "),
    "eq": Spelled(" = ", " = "),
    "ne": Spelled(r" \neq ", " ≠ "),
}
EQUALS = SIGNS["eq"]
MAPSTO = Spelled(r" \mapsto ", " ↦ ")
_ONE, _MINUS_ONE = n.Number(1, None), n.Number(-1, None)
_HALF = n.Number(0.5, None)


def upright(word: str) -> b.Word:
    """A function's name in upright letters."""
    return b.Word(Spelled(rf"\operatorname{{{word}}}", word))


@singledispatch
def lay(node: Expr, desk: Desk) -> b.Box:
    """The box of a node; sub-formulas are asked of the desk, which knows the letters."""
    raise NotImplementedError(f"{type(node).__name__} has no printing rule")


# --- leaves ----------------------------------------------------------------------------------------------------
@lay.register(n.Symbol)
def _(node: n.Symbol, desk: Desk) -> b.Box:
    return desk.bound_letter(node) if node.depth is not None else desk.column(node)


@lay.register(n.Number)
def _(node: n.Number, desk: Desk) -> b.Box:
    return b.Literal(node.value) if node.letter is None else desk.constant(node)


@lay.register(n.State)
def _(node: n.State, desk: Desk) -> b.Box:
    return desk.cell(node.cell)


@lay.register(n.Noise)
def _(node: n.Noise, desk: Desk) -> b.Box:
    return desk.noise(node)


@lay.register(n.Range)
def _(node: n.Range, desk: Desk) -> b.Box:
    return desk.range(node)


# --- arithmetic ------------------------------------------------------------------------------------------------
@lay.register(n.Add)
def _(node: n.Add, desk: Desk) -> b.Box:
    terms = [t for t in _operands(node, n.Add, desk) if not desk.vanishes(t)] or [node.y]
    return desk.box(terms[0]) if len(terms) == 1 else b.Sum(tuple(map(desk.box, terms)))


def _operands(node: n.Add | n.Mul, kind: type[Expr], desk: Desk) -> list[Expr]:
    """The operands of nested equal operators, left to right: their association is not printed.

    What a derivative is taken by stays whole: it is a variable there, where the same terms in other brackets are not.
    """
    found: list[Expr] = []
    for part, stands_right in ((node.x, False), (node.y, True)):
        opens = type(part) is kind and part not in desk.whole and not desk.has_letter(part)
        if kind is n.Mul and (is_quotient(part) or (stands_right and _starts_negative(part))):
            opens = False
        found.extend(_operands(part, kind, desk) if opens else [part])  # type: ignore[arg-type]
    return found


def is_quotient(node: Expr) -> bool:
    """Whether a product is one as the author's division makes it: x times y to the power -1."""
    return isinstance(node, n.Mul) and isinstance(node.y, n.Pow) and node.y.y is _MINUS_ONE


def _starts_negative(node: Expr) -> bool:
    while isinstance(node, n.Mul):
        if node.x is _MINUS_ONE:
            return True
        node = node.x
    return False


@lay.register(n.Mul)
def _(node: n.Mul, desk: Desk) -> b.Box:
    if is_quotient(node) and isinstance(node.y, n.Pow):
        if desk.worth(node.y.x) == 1:
            return desk.box(node.x)
        over, under = desk.box(node.x), desk.box(node.y.x)
        return b.Negative(b.Fraction(over.x, under)) if isinstance(over, b.Negative) else b.Fraction(over, under)
    factors = _operands(node, n.Mul, desk)
    leads = factors[0] is _MINUS_ONE
    worth = {f: desk.worth(f) for f in factors[leads:]}
    negative = leads + sum(worth[f] == -1 for f in factors[leads:])
    kept = [f for f in factors[leads:] if worth[f] not in (1, -1)] or [_ONE]
    made = [desk.box(f) for f in kept]
    if isinstance(made[0], b.Negative):  # a quotient with a negative numerator: the sign comes out
        negative, made[0] = negative + 1, made[0].x
    product = made[0] if len(made) == 1 else b.Product(tuple(made))
    return b.Negative(product) if negative % 2 else product


@lay.register(n.Pow)
def _(node: n.Pow, desk: Desk) -> b.Box:
    if desk.worth(node.x) == 1 or desk.worth(node.y) == 1:
        return desk.box(node.x)
    if node.y is _HALF:
        return b.Root(desk.box(node.x))
    with desk.coordinate(None if not node.y.type.rank else desk.current_coordinate):
        exponent = desk.box(node.y)
    return b.Power(desk.box(node.x), exponent)


@lay.register(n.Unary)
def _(node: n.Unary, desk: Desk) -> b.Box:
    if node.op in FENCES:
        left, right = FENCES[node.op]
        return b.Fenced(left, desk.box(node.x), right)
    return b.Function(b.Word(FUNCTIONS[node.op]), ((desk.box(node.x),),))


@lay.register(n.Extremum)
def _(node: n.Extremum, desk: Desk) -> b.Box:
    return b.Function(b.Word(FUNCTIONS[node.op]), ((desk.box(node.x), desk.box(node.y)),))


@lay.register(n.Compare)
def _(node: n.Compare, desk: Desk) -> b.Box:
    return b.Bracket(b.Word(Spelled(r"\mathbb{1}", "1")), _relation(node, desk))


def _relation(node: n.Compare, desk: Desk) -> b.Box:
    return b.Relation(desk.box(node.x), SIGNS[node.op], desk.box(node.y))


@lay.register(n.Where)
def _(node: n.Where, desk: Desk) -> b.Box:
    bare = isinstance(node.condition, n.Compare) and not desk.has_letter(node.condition)
    condition = _relation(node.condition, desk) if bare else desk.box(node.condition)  # type: ignore[arg-type]
    return b.Function(upright("where"), ((condition, desk.box(node.x), desk.box(node.y)),))


# --- axes ------------------------------------------------------------------------------------------------------
@lay.register(n.Reduce)
def _(node: n.Reduce, desk: Desk) -> b.Box:
    if node.over == "event":
        letter = desk.event_letter()
        with desk.coordinate(letter):
            return b.Big(node.op, letter, desk.box(node.x))
    if node.over == "data":
        return b.Big(node.op, desk.data_of(node.x), desk.box(node.x), desk.mask_of(node.counted))
    axes = [node.x.type.axis(name) for name in node.over]
    under = [desk.index(axis) for axis in axes]
    along = Spelled(", ".join(u.latex for u in under), ", ".join(u.text for u in under))
    return b.Big(node.op, along, desk.box(node.x), desk.mask_of(node.counted))


@lay.register(n.Arg)
def _(node: n.Arg, desk: Desk) -> b.Box:
    return b.Big("arg" + node.op, desk.index(node.x.type.axis(node.axis)), desk.box(node.x))


@lay.register(n.At)
def _(node: n.At, desk: Desk) -> b.Box:
    if isinstance(node.index, n.Range) and node.index.axis in node.x.type.axes and node.index.axis.name == node.axis:
        return desk.box(node.x)  # the entry at its own index
    index = desk.outside(node.index)
    if isinstance(node.x, n.Rename) and node.x.source is None and node.x.target == node.axis:
        return b.Indexed(desk.box(node.x.x), index)  # the coordinate itself: f(s)[a]
    with desk.unshifted(node.axis):  # the index is bound here
        which = b.Word(desk.index(node.x.type.axis(node.axis)))
        return b.Indexed(desk.box(node.x), b.Relation(which, EQUALS, index))


@lay.register(n.Rename)
def _(node: n.Rename, desk: Desk) -> b.Box:
    x = desk.box(node.x)
    if node.source is None:
        return b.Indexed(x, b.Word(desk.index(node.type.axis(str(node.target)))), brackets=False)
    source = desk.index(node.x.type.axis(node.source))
    if node.target is None:
        return b.Function(b.Indexed(upright("vec"), b.Word(source), brackets=False), ((x,),))
    target = desk.index(node.type.axis(node.target))
    return b.Indexed(x, b.Word(Spelled(rf"{source.latex} \to {target.latex}", f"{source.text} → {target.text}")))


@lay.register(n.Shift)
def _(node: n.Shift, desk: Desk) -> b.Box:
    if node.first is None and node.offset > 0:
        with desk.shifted(node.axis, node.offset):
            return desk.box(node.x)
    word = {-1: "prev"}.get(node.offset, "shift")
    parts = (node.x,) if node.first is None else (node.x, node.first)
    axis = node.x.type.axis(node.axis)
    return read_at(word, desk.index(axis), node.offset, axis, parts, desk)


def read_at(word: str, index: Spelled, offset: int, axis: Axis, parts: tuple[Expr, ...], desk: Desk) -> b.Box:
    """A value that is read before or after an index, as a whole."""
    if word == "shift":
        index = Spelled(f"{index.latex},{offset:+d}", f"{index.text},{offset:+d}")
    with desk.unshifted(axis.name):  # the index below the word is the one that is read at
        boxes = tuple(desk.box(x) for x in parts)
    return b.Function(b.Indexed(upright(word), b.Word(index), brackets=False), (boxes,))


@lay.register(n.Join)
def _(node: n.Join, desk: Desk) -> b.Box:
    items = (tuple(desk.box(i) for i in node.items),)
    if node.axis is None:
        return b.Function(upright("concat"), items)
    return b.Function(b.Indexed(upright("stack"), b.Word(desk.index(node.axis)), brackets=False), items)


# --- structure -------------------------------------------------------------------------------------------------
@lay.register(n.Call)
def _(node: n.Call, desk: Desk) -> b.Box:
    return b.Function(desk.network(node), (tuple(desk.box(a) for a in node.args),))


@lay.register(n.Item)
def _(node: n.Item, desk: Desk) -> b.Box:
    if isinstance(node.x, n.Recursion):
        return desk.recursion(node.x, node.index)
    part = f"[{node.index + 1}/{node.count}]"
    return b.Indexed(desk.box(node.x), b.Word(Spelled(part, part)), brackets=False)


@lay.register(n.StopGradient)
def _(node: n.StopGradient, desk: Desk) -> b.Box:
    return b.Bracket(upright("sg"), desk.box(node.x))


@lay.register(n.Derivative)
def _(node: n.Derivative, desk: Desk) -> b.Box:
    if node.op == "grad":
        nabla = b.Word(Spelled(r"\nabla", "∇"))
        return b.Bracket(b.Indexed(nabla, desk.box(node.wrt[0]), brackets=False), desk.box(node.y))
    along = tuple(b.Relation(desk.box(x), MAPSTO, desk.box(v)) for x, v in zip(node.wrt, node.tangents, strict=True))
    return b.Function(b.Bracket(b.Word(Spelled(r"\mathrm{D}", "D")), desk.box(node.y)), (along,))


@lay.register(n.Recursion)
def _(node: n.Recursion, desk: Desk) -> b.Box:
    return desk.recursion(node, 0)


@lay.register(n.Definition)
def _(node: n.Definition, desk: Desk) -> b.Box:
    return desk.definition(node)


def function_name(name: str) -> Name:
    """The name of a function: one letter or LaTeX as typed, a word upright."""
    if len(name) == 1 or name in GREEK or any(c in name for c in "\\^{}"):
        return parse(name)
    words = name.replace("-", "_").replace(" ", "_").split("_")
    clean = r"\,".join("".join(c for c in w if c.isascii() and c.isalnum()) for w in words)
    return Name(Spelled(rf"\operatorname{{{clean}}}", name))

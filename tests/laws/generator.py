"""Random closed formulas: every node, with networks in their roles, masks, draws and definitions."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor, nn

from probrl.expr import calculus, recursion, scalars
from probrl.expr import nodes as n
from probrl.expr import operators as op
from probrl.expr.axes import Axis, index_axis
from probrl.expr.base import Expr
from probrl.expr.definition import definition
from probrl.expr.ranks import settle
from probrl.expr.state import Network
from probrl.expr.traversal import everything, walk

ROWS, STEPS, SIZE = 3, 3, 2
SIZES = {"batch": ROWS, "time": STEPS, "i": SIZE, "j": SIZE, "k": 3}
REAL = torch.float64
TIME = Axis("time", mask="valid")
ROLES = ("live", "live", "live", "old", "target", "frozen")


class Dense(nn.Module):
    """Two layers; ``outputs`` says what comes out: a size, several sizes (several outputs), or members of an ensemble."""

    def __init__(self, inputs: int, outputs: int | tuple[int, ...], members: int = 0) -> None:
        super().__init__()
        self.outputs, self.members = outputs, members
        size = outputs if isinstance(outputs, int) else sum(outputs)
        self.first = nn.Linear(inputs, 3, dtype=REAL)
        self.last = nn.Linear(3, size * max(members, 1), dtype=REAL)

    def forward(self, *args: Tensor) -> Tensor | tuple[Tensor, ...]:
        x = torch.cat([(a.unsqueeze(-1) if a.dim() == 1 else a).to(REAL) for a in args], -1)
        y = self.last(torch.tanh(self.first(x)))
        if self.members:
            return torch.stack(y.chunk(self.members, -1))
        return y if isinstance(self.outputs, int) else y.split(self.outputs, -1)


def network(name: str, module: nn.Module) -> Network:
    """A network whose copies in other roles have weights of their own."""
    net = Network(name, module)
    for role in ("old", "target", "ema", "reference"):
        net.copies[role] = {k: v.detach() + 0.3 * torch.randn_like(v) for k, v in module.state_dict().items()}
    return net


@definition("bump")
def bump(x, height):
    """A definition of a user's own."""
    return height / (1 + x**2)


class World:
    """The columns, networks and scalars that random formulas speak of."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.batch = {
            "r": torch.randn(ROWS, dtype=REAL),
            "w": torch.randn(ROWS, dtype=REAL),
            "u": torch.randn(ROWS, STEPS, dtype=REAL),
            "end": torch.rand(ROWS, STEPS) < 0.4,
            "a": torch.randint(0, SIZE, (ROWS,)),
            "o": torch.randn(ROWS, SIZE, dtype=REAL),
            "x": torch.randn(ROWS, STEPS, SIZE, dtype=REAL),
            "valid": torch.tensor([[True, True, False], [False, True, False], [True, True, False]]),
        }
        self.w, self.a = op.symbols("w a")
        self.r = op.symbols("r", rank=0)
        self.u, self.end = op.symbols("u end", rank=0, axes=TIME)
        self.o = op.symbols("o", rank=1)
        self.x = op.symbols("x", rank=1, axes=TIME)
        self.alpha = scalars.parameter("alpha", 0.7, positive=True)
        self.beta = scalars.parameter("beta", -0.4)
        self.value = network("V", Dense(SIZE, 1))
        self.two = network("Q", Dense(SIZE + 1, 1))
        self.drift = network("f", Dense(SIZE, SIZE))
        self.members = network("E", Dense(SIZE, 1, members=SIZE))
        self.pair = network("h", Dense(SIZE, (SIZE, 1)))
        self.halves = network("m", Dense(SIZE, 2 * SIZE))
        self.joined = network("c", Dense(SIZE + 2, SIZE))
        self.plain = Network("cube", lambda v: v**3 / 10, pure=True)
        self.networks = [self.value, self.two, self.drift, self.members, self.pair, self.halves, self.joined]
        self.cells = [self.alpha.cell, self.beta.cell]
        for cell, raw in zip(self.cells, (-0.3566749439387324, -0.4), strict=True):
            cell.storage = nn.Parameter(torch.tensor(raw, dtype=REAL))

    def parameters(self) -> list[Tensor]:
        """What gradients are taken by."""
        return [p for net in self.networks for p in net.module.parameters()] + [c.storage for c in self.cells]

    def draws(self, expr: Expr, seed: int) -> dict[Expr, Tensor]:
        """A value for every noise of a formula; every event here has the size 2."""
        torch.manual_seed(seed)
        noises = [x for x in walk(expr, through=everything) if isinstance(x, n.Noise)]
        return {x: self._draw(x) for x in dict.fromkeys(noises)}

    def _draw(self, x: n.Noise) -> Tensor:
        shape = [SIZES[name] for name in x.type.names] + [SIZE] * (x.type.rank or 0)
        if x.law == "subset":
            keys = torch.rand(*shape[:-1], x.options[0])
            return keys.argsort(-1)[..., : x.options[1]]
        if x.law == "uniform":
            return torch.rand(shape, dtype=REAL)
        if x.law == "rademacher":
            return torch.randint(0, 2, shape).to(REAL) * 2 - 1
        return torch.randn(shape, dtype=REAL)


class Generator:
    """Makes random formulas, one production at a time.

    Args:
        world: what they speak of.
        rng: the source of choices.

    ``free`` is the set of index axes that a result may have; ``rows`` forbids what mixes rows (reductions over the
    data, shifts, recursions), as inside a derivative or a recursion's body.
    """

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.local_scalars: list[Expr] = []
        self.local_vectors: list[Expr] = []

    def formula(self, index: int, depth: int = 3) -> Expr:
        """A closed scalar; its head is the production of that index, so that all are used."""
        heads = [*SCALARS, *VECTORS]
        head = heads[index % len(heads)]
        made = head(self, depth, frozenset(), False)
        (made,) = settle(made)
        if made.type.rank:
            made = op.sqnorm(made)
        made = made * self.scalar(1, frozenset(), False) if self.rng.random() < 0.7 else made
        if not made.type.data:
            made = made + 0.1 * self.world.r
        (settled,) = settle((op.mean if self.rng.random() < 0.7 else op.sum)(made))
        return settled

    def scalar(self, depth: int, free: frozenset[str], rows: bool) -> Expr:
        if depth <= 0 or self.rng.random() < 0.12:
            return self.leaf()
        return self._pick(SCALARS, rows)(self, depth - 1, free, rows)

    def vector(self, depth: int, free: frozenset[str], rows: bool) -> Expr:
        if depth <= 0 or self.rng.random() < 0.15:
            return self.rng.choice([self.world.o, self.world.x, self.world.x, *self.local_vectors])
        return self._pick(VECTORS, rows)(self, depth - 1, free, rows)

    def _pick(self, productions: list[Callable], rows: bool) -> Callable:
        return self.rng.choice([p for p in productions if not (rows and p in MIXING)])

    def leaf(self) -> Expr:
        w = self.world
        number = n.Number(round(self.rng.uniform(-2, 2), 2), None)
        named = op.constant("epsilon", 0.2)
        drawn = op.noise(self.rng.choice([w.r, w.u]))
        return self.rng.choice(
            [w.r, w.w, w.u, w.u, w.end, number, named, w.alpha, w.beta, drawn, *self.local_scalars * 4]
        )

    def along(self, axis: str, depth: int, free: frozenset[str], rows: bool) -> Expr:
        """A scalar that has an index axis."""
        w, less = self.world, free - {axis}
        kinds = ["stack", "noise", "product"]
        kinds += ["event", "members", "subset"] if SIZES[axis] == SIZE else []
        kinds += ["rename"] if axis == "j" and "i" not in free else []
        kind = self.rng.choice(kinds)
        if kind == "stack":
            return op.stack([self.scalar(depth - 1, less, rows) for _ in range(SIZES[axis])], axis)
        if kind == "noise":
            return op.noise(w.r, SIZES[axis], axis, self.rng.choice(["normal", "uniform", "rademacher"])) + self.scalar(
                depth - 1, less, rows
            )
        if kind == "product":
            x = op.noise(w.u, SIZES[axis], axis)
            return (op.index(axis) + 1) * x * self.scalar(depth - 1, less, rows)
        if kind == "event":
            return op.to_axis(self.vector(depth - 1, less, rows), axis)
        if kind == "members":
            return self.ensemble(axis, depth, less, rows)
        if kind == "subset":
            chosen = op.fresh_noise("subset", None, ((index_axis(axis), SIZE),), (SIZE, SIZE))
            return (
                op.at(self.along("k", depth - 1, less, rows), k=chosen)
                if "k" not in free
                else op.noise(w.r, SIZE, axis) * chosen
            )
        return self.along("i", depth - 1, less, rows).rename(i="j")

    def ensemble(self, axis: str, depth: int, free: frozenset[str], rows: bool) -> Expr:
        x = self.vector(depth - 1, free - {axis}, rows)
        return n.Call(self.world.members, self.rng.choice(ROLES), (x,), 0, (index_axis(axis),))

    def fresh_axis(self, free: frozenset[str]) -> str | None:
        names = [a for a in ("i", "k", "j") if a not in free]
        return self.rng.choice(names) if names else None


# --- scalars ---------------------------------------------------------------------------------------------------
def _sum(g, d, free, rows):
    x, y = g.scalar(d, free, rows), g.scalar(d, free, rows)
    return x + y if g.rng.random() < 0.5 else x - y


def _product(g, d, free, rows):
    return g.scalar(d, free, rows) * g.scalar(d, free, rows)


def _quotient(g, d, free, rows):
    return g.scalar(d, free, rows) / (1.5 + g.scalar(d, free, rows) ** 2)


def _density_ratio(g, d, free, rows):
    return op.exp(op.tanh(g.scalar(d, free, rows))) / op.exp(op.sin(g.scalar(d, free, rows)))


def _power(g, d, free, rows):
    x = g.scalar(d, free, rows)
    if g.rng.random() < 0.5:
        return op.tanh(x) ** g.rng.choice([2, 3])
    return (op.softplus(x) + 0.2) ** g.rng.choice([0.5, -1.5, op.tanh(g.scalar(d - 1, free, rows))])


def _unary(g, d, free, rows):
    name = g.rng.choice(
        ["exp", "log", "tanh", "sigmoid", "softplus", "abs", "sin", "cos", "atan", "floor", "sign", "lgamma", "digamma"]
    )
    x = g.scalar(d, free, rows)
    if name in ("log", "lgamma", "digamma"):
        x = op.softplus(x) + 0.3
    if name == "exp":
        x = op.tanh(x)
    return n.Unary(name, x)


def _extremum(g, d, free, rows):
    made = g.rng.choice([op.minimum, op.maximum])
    bound = g.rng.choice([g.scalar(d, free, rows), n.Number(0.3, None)])
    return made(g.scalar(d, free, rows), bound)


def _compare(g, d, free, rows):
    relation = op.compare(
        g.rng.choice(["lt", "le", "gt", "ge", "eq", "ne"]), g.scalar(d, free, rows), g.scalar(d, free, rows)
    )
    return relation * g.scalar(d, free, rows)


def _where(g, d, free, rows):
    condition = g.rng.choice(
        [op.compare("lt", g.scalar(d, free, rows), g.scalar(d, free, rows)), g.world.end, 1 - g.world.end]
    )
    return op.where(condition, g.scalar(d, free, rows), g.scalar(d, free, rows))


def _sqnorm(g, d, free, rows):
    return op.sqnorm(g.vector(d, free, rows))


def _dot(g, d, free, rows):
    return op.dot(g.vector(d, free, rows), g.vector(d, free, rows))


def _event(g, d, free, rows):
    return n.Reduce(g.rng.choice(["sum", "mean", "min", "max"]), g.vector(d, free, rows), "event")


def _index_reduction(g, d, free, rows):
    axis = g.fresh_axis(free)
    if axis is None:
        return g.leaf()
    x = g.along(axis, d, free | {axis}, rows) + g.scalar(d - 1, free, rows)
    return n.Reduce(g.rng.choice(["sum", "mean", "min", "max"]), x, (axis,))


def _two_axes(g, d, free, rows):
    if free:
        return g.leaf()
    x = g.along("i", d, frozenset({"i"}), rows) * g.along("k", d, frozenset({"k"}), rows)
    return n.Reduce(g.rng.choice(["sum", "mean", "min", "max"]), x, ("i", "k"))


def _softmax(g, d, free, rows):
    axis = g.fresh_axis(free)
    if axis is None:
        return g.leaf()
    x = g.along(axis, d, free | {axis}, rows)
    kind = g.rng.choice(["logsumexp", "softmax", "log_softmax"])
    if kind == "logsumexp":
        return op.logsumexp(x, axis)
    return (getattr(op, kind)(x, axis) * g.along(axis, d - 1, free | {axis}, rows)).sum(axis)


def _gather(g, d, free, rows):
    axis = "i" if "i" not in free else g.fresh_axis(free)
    if axis is None:
        return g.leaf()
    x = g.along(axis, d, free | {axis}, rows)
    index = g.rng.choice([g.world.a, n.Number(1, None), g.along(axis, d - 1, free | {axis}, rows).argmax(axis)])
    return op.at(x, **{axis: index})


def _arg(g, d, free, rows):
    axis = g.fresh_axis(free)
    if axis is None:
        return g.leaf()
    x = g.along(axis, d, free | {axis}, rows)
    best = x.argmax(axis) if g.rng.random() < 0.5 else x.argmin(axis)
    return (best + 0.5) * g.scalar(d, free, rows)


def _rename(g, d, free, rows):
    if free & {"i", "j"}:
        return g.leaf()
    x = g.along("i", d, free | {"i"}, rows).rename(i="j")
    return (x * g.along("j", d - 1, free | {"j"}, rows)).mean("j")


def _call(g, d, free, rows):
    w = g.world
    if g.rng.random() < 0.5:
        return n.Call(w.value, g.rng.choice(ROLES), (g.vector(d, free, rows),), 0, ())
    return n.Call(w.two, g.rng.choice(ROLES), (g.vector(d, free, rows), g.scalar(d, free, rows)), 0, ())


def _members(g, d, free, rows):
    if "i" in free:
        return g.leaf()
    return n.Reduce(g.rng.choice(["min", "mean", "sum"]), g.ensemble("i", d, free, rows), ("i",))


def _item(g, d, free, rows):
    call = n.Call(g.world.pair, g.rng.choice(ROLES), (g.vector(d, free, rows),), (1, 0), ())
    return n.Item(call, 1, 2) + op.sqnorm(n.Item(call, 0, 2))


def _held(g, d, free, rows):
    return op.stop_gradient(g.scalar(d, free, rows)) * g.scalar(d, free, rows)


def _clip(g, d, free, rows):
    eps = op.constant("epsilon", 0.2)
    x = g.scalar(d, free, rows)
    return (
        op.clip(x, -1, 1)
        if g.rng.random() < 0.5
        else op.clip(x, 1 - eps, op.maximum(1 + eps, g.scalar(d - 1, free, rows)))
    )


def _named(g, d, free, rows):
    return g.scalar(d, free, rows).named(g.rng.choice(["policy", "value"]))


def _own(g, d, free, rows):
    return bump(g.scalar(d, free, rows), g.scalar(d - 1, free, rows))


def _noise(g, d, free, rows):
    like = g.scalar(d, free, rows)
    return op.noise(like, law=g.rng.choice(["normal", "uniform", "rademacher", "gumbel"])) * g.scalar(d, free, rows)


def _grad(g, d, free, rows):
    with_rows = op.tanh(g.vector(d, frozenset(), True)) * 0.5 + g.world.x
    g.local_vectors.append(with_rows)
    y = op.sqnorm(with_rows) * g.scalar(d, frozenset(), True) + g.scalar(d, frozenset(), True) * n.Call(
        g.world.value, g.rng.choice(ROLES), (with_rows,), 0, ()
    )
    g.local_vectors.pop()
    if g.rng.random() < 0.3:
        y = y + op.tanh(g.world.beta * n.Number(1, None)) * g.world.u
    return op.dot(calculus.grad(y, with_rows), g.vector(d - 1, free, True))


def _grad_scalar(g, d, free, rows):
    x = op.sin(g.scalar(d, frozenset(), True)) + g.world.u
    g.local_scalars.append(x)
    y = x * g.scalar(d, frozenset(), True) + x**2 * g.scalar(d - 1, frozenset(), True)
    g.local_scalars.pop()
    return calculus.grad(y, x)


def _jvp(g, d, free, rows):
    w = g.world
    x, t = g.world.x * 1.5, op.sigmoid(g.scalar(d, frozenset(), True) + g.world.w)
    y = n.Call(w.two, g.rng.choice(ROLES), (x, t), 0, ()) * op.sin(t) + op.dot(x, g.vector(d - 1, frozenset(), True))
    along = g.rng.choice([g.scalar(d - 1, free, rows), n.Number(1, None)])
    return calculus.jvp(y, {x: g.vector(d - 1, free, rows), t: along})


def _divergence(g, d, free, rows):
    x = g.world.x
    v = n.Call(g.world.drift, g.rng.choice(ROLES), (x,), 1, ()) * g.scalar(d - 1, frozenset(), True)
    return calculus.divergence(v, x)


def _data_reduction(g, d, free, rows):
    x = g.scalar(d, frozenset(), False) + g.rng.choice([g.world.r, g.world.u])
    return g.rng.choice([op.mean, op.sum, op.data_min, op.data_max, op.std])(x) * g.scalar(d - 1, free, rows)


def _standardize(g, d, free, rows):
    return op.standardize(g.scalar(d, frozenset(), False) + g.world.u)


def _shift(g, d, free, rows):
    x = g.scalar(d, free, rows) + g.world.u
    if g.rng.random() < 0.5:
        return recursion.following(x)
    return recursion.preceding(
        x, first=g.rng.choice([n.Number(0, None), n.Number(0.5, None), g.scalar(d - 1, frozenset(), rows)]), over="time"
    )


def _over_time(g, d, free, rows):
    over = g.scalar(d, frozenset(), False) + g.world.u
    return n.Reduce(g.rng.choice(["sum", "mean"]), over, ("time",))


def _returns(g, d, free, rows):
    delta = g.scalar(d, frozenset(), True) + g.world.u
    keep = 0.9 * (1 - g.world.end)
    return recursion.recursion(
        lambda A: delta + keep * A, init=g.rng.choice([0, g.world.r]), over="time", reverse=g.rng.random() < 0.7
    )


def _recursion(g, d, free, rows):
    def body(z):
        g.local_scalars.append(z)
        made = op.tanh(z * 0.7 + g.scalar(d, frozenset(), True) + g.world.u)
        g.local_scalars.pop()
        return made + 0.1 * op.noise(g.world.u)

    return recursion.recursion(body, init=g.rng.choice([0, g.world.w]), over="time", reverse=g.rng.random() < 0.5)


def _recursions(g, d, free, rows):
    def body(y, z):
        g.local_scalars.extend([y, z])
        new = 0.5 * y + op.sin(z) + g.world.u * 0.3, op.tanh(z + y) * g.scalar(d, frozenset(), True)
        kept = y * z + g.scalar(d - 1, frozenset(), True)
        del g.local_scalars[-2:]
        return (new, (new[0], kept)) if g.rng.random() < 0.5 else new

    first, second = recursion.recursion(body, init=(0, g.world.r), over="time", reverse=g.rng.random() < 0.5)
    return first * 0.5 + second


def _adjoint(g, d, free, rows):
    x, f = g.world.x, g.world.drift
    v = n.Call(f, g.rng.choice(ROLES), (x,), 1, ())
    y = recursion.recursion(
        lambda y: 0.5 * y + calculus.grad(op.dot(v, y), x), init=g.world.o, over="time", reverse=True
    )
    return op.dot(y, g.vector(d, free, rows))


# --- vectors ---------------------------------------------------------------------------------------------------
def _scaled(g, d, free, rows):
    return g.scalar(d, free, rows) * g.vector(d, free, rows)


def _vector_sum(g, d, free, rows):
    return g.vector(d, free, rows) + g.vector(d, free, rows)


def _vector_unary(g, d, free, rows):
    return n.Unary(g.rng.choice(["tanh", "sin", "sigmoid", "softplus", "abs"]), g.vector(d, free, rows))


def _vector_extremum(g, d, free, rows):
    return op.clip(g.vector(d, free, rows), -1, g.rng.choice([n.Number(1, None), op.constant("epsilon", 0.2)]))


def _vector_where(g, d, free, rows):
    return op.where(g.vector(d, free, rows) > 0.1, g.vector(d, free, rows), g.vector(d, free, rows))


def _vector_call(g, d, free, rows):
    return n.Call(g.world.drift, g.rng.choice(ROLES), (g.vector(d, free, rows),), 1, ())


def _chunk(g, d, free, rows):
    call = n.Call(g.world.halves, g.rng.choice(ROLES), (g.vector(d, free, rows),), 1, ())
    return n.Item(call, 0, 2) * op.exp(op.tanh(n.Item(call, 1, 2)))


def _function(g, d, free, rows):
    return n.Call(g.world.plain, "live", (g.vector(d, free, rows),), 1, ())


def _reparameterised(g, d, free, rows):
    mean = g.vector(d, free, rows)
    return mean + op.exp(op.tanh(g.scalar(d, free, rows))) * op.noise(g.world.x if g.local_vectors else mean)


def _to_event(g, d, free, rows):
    if "i" in free:
        return g.world.x
    return op.to_event(g.along("i", d, free | {"i"}, rows), "i")


def _concatenated(g, d, free, rows):
    joined = op.concatenate(g.scalar(d, free, rows), g.vector(d, free, rows), g.scalar(d, free, rows))
    return n.Call(g.world.joined, g.rng.choice(ROLES), (joined,), 1, ())


def _vector_along(g, d, free, rows):
    axis = g.fresh_axis(free)
    if axis is None:
        return g.world.o
    items = [g.vector(d, free, rows) for _ in range(SIZES[axis])]
    return n.Reduce(g.rng.choice(["sum", "mean", "max"]), op.stack(items, axis), (axis,))


def _vector_data(g, d, free, rows):
    return op.mean(g.vector(d, frozenset(), False)) + g.vector(d, free, rows)


def _gradient(g, d, free, rows):
    x = g.world.x
    y = n.Call(g.world.value, g.rng.choice(ROLES), (x,), 0, ()) * g.scalar(d, frozenset(), True) + op.dot(
        x, g.vector(d - 1, frozenset(), True)
    )
    return calculus.grad(y, x)


def _vector_recursion(g, d, free, rows):
    def body(z):
        g.local_vectors.append(z)
        made = op.tanh(
            n.Call(g.world.drift, g.rng.choice(ROLES), (z,), 1, ()) + g.vector(d, frozenset(), True) * g.world.u
        )
        g.local_vectors.pop()
        return made

    return recursion.recursion(body, init=g.world.o, over="time", reverse=g.rng.random() < 0.5)


def _vector_shift(g, d, free, rows):
    return recursion.preceding(g.vector(d, free, rows) + g.world.x, first=0, over="time")


SCALARS = [
    _sum, _product, _quotient, _density_ratio, _power, _unary, _extremum, _compare, _where, _sqnorm, _dot, _event,
    _index_reduction, _two_axes, _softmax, _gather, _arg, _rename, _call, _members, _item, _held, _clip, _named, _own,
    _noise, _grad, _grad_scalar, _jvp, _divergence, _data_reduction, _standardize, _shift, _over_time, _returns,
    _recursion, _recursions, _adjoint,
]  # fmt: skip
VECTORS = [
    _scaled, _vector_sum, _vector_unary, _vector_extremum, _vector_where, _vector_call, _chunk, _function,
    _reparameterised, _to_event, _concatenated, _vector_along, _vector_data, _gradient, _vector_recursion, _vector_shift,
]  # fmt: skip
MIXING = {
    _data_reduction, _standardize, _shift, _over_time, _returns, _recursion, _recursions, _adjoint, _vector_data,
    _vector_recursion, _vector_shift,
}  # fmt: skip

"""What a printed formula is worth: the reader's trees worked out, letters explained by the lines of the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from tests.laws.reader import Name, name_of, parse
from tests.laws.reader_words import EVENT, Value, Words, over, pointwise

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    r"\exp": torch.exp, r"\log": torch.log, r"\tanh": torch.tanh, r"\sin": torch.sin, r"\cos": torch.cos,
    r"\arctan": torch.atan, r"\operatorname{sigmoid}": torch.sigmoid, r"\operatorname{sign}": torch.sign,
    r"\operatorname{softplus}": torch.nn.functional.softplus, r"\operatorname{digamma}": torch.digamma,
    r"\log\Gamma": torch.lgamma, r"\sqrt": torch.sqrt, "abs": torch.abs, "floor": torch.floor,
}  # fmt: skip
COMPARE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "<": torch.lt, ">": torch.gt, r"\leq": torch.le, r"\geq": torch.ge, "=": torch.eq, r"\neq": torch.ne,
}  # fmt: skip
SHIFTED = re.compile(r"(.+?)([+-]\d+)?$")


class Reader(Words):
    """Works out a page.

    Args:
        rows: left and right sides as LaTeX; the first is the formula.
        leaves: the values of letters that the page does not explain: tensors with named dimensions, or functions.
        sizes: how long each dimension is, by its letter.
        data: the letters of the dimensions of the data.
        coordinate: the letter that runs over coordinates.
    """

    def __init__(
        self,
        rows: list[tuple[str, str]],
        leaves: Mapping[str, Any],
        sizes: Mapping[str, int],
        data: tuple[str, ...],
        coordinate: str = "d",
    ) -> None:
        self.sizes, self.data, self.coordinate = dict(sizes), data, coordinate
        self.known: dict[Name, Any] = {name_of(k): v for k, v in leaves.items()}
        self.lines: dict[Name, tuple[Any, Any, str, bool]] = {}
        self.functions: dict[Name, tuple[tuple[Name, ...], Any]] = {}
        self.cut: list[tuple[Any, Value]] = []
        self.running: dict[Name, Value] = {}
        self.main = parse(rows[0][1])
        for left, right in rows[1:]:
            if right.startswith(" = "):
                self._line(left.removeprefix(r"\text{where}\quad ").strip(), right.removeprefix(" = "))

    def _line(self, left: str, right: str) -> None:
        here, *more = right.split(r",\quad ")
        if re.fullmatch(r"[0-9, ]+|.*\\ldots.*", here) and "," in here:
            return  # the values of an index
        tree = parse(left)
        if tree[0] == "apply":
            self.functions[self.bare(tree[1])] = tuple(self.bare(a[1]) for a in tree[2:]), parse(here)
            return
        start = next((m for m in more if re.search(r"_\{[^=]*\\mathrm\{(start|end)\}\} = ", m)), None)
        axis = None if start is None else self.axis_of_start(tree[1], name_of(start.split(" = ")[0]))
        init = None if start is None else parse(start.split(" = ", 1)[1].split(r" \text{ and where }")[0])
        mask = start.partition(r"\text{ and where }")[2].removesuffix(" = 0").strip() if start else ""
        self.lines[self.bare(tree[1])] = parse(here), init, axis or "", parse(mask) if mask else None
        for other in more if start is None else ():
            name, value = other.split(" = ")
            self.lines[name_of(name)] = parse(value), None, "", None

    @staticmethod
    def axis_of_start(name: Name, start: Name) -> str:
        return next(a for a, b in zip(name.subs, start.subs, strict=True) if a != b)

    # --- letters -----------------------------------------------------------------------------------------------
    def bare(self, name: Name) -> Name:
        """A letter without its indices."""
        return name._replace(subs=tuple(s for s in name.subs if SHIFTED.match(s)[1] not in self.sizes))

    def indices(self, name: Name) -> list[tuple[str, int]]:
        found = [SHIFTED.match(s) for s in name.subs]
        return [(m[1], int(m[2] or 0)) for m in found if m[1] in self.sizes]

    def _letter(self, name: Name) -> Value:
        bare = self.bare(name)
        if self.plain(name) in self.sizes and bare not in self.known:
            return Value((self.plain(name),), torch.arange(self.sizes[self.plain(name)]))
        x, read = self.running.get(bare), self.indices(name)
        for known, stands in self.cut:  # a coordinate of a variable
            if (
                known[0] == "letter"
                and self.bare(known[1]) == bare
                and name.subs[: len(known[1].subs)] == known[1].subs
            ):
                x, read = stands, read[len(self.indices(known[1])) :]
        x = x or self.named(bare)
        for axis, offset in read:
            x = self.read(x, bare, axis, offset)
        return x

    def named(self, bare: Name) -> Value:
        if bare in self.known:
            return self.known[bare]
        if bare not in self.lines:
            raise KeyError(f"no line explains {bare}")
        body, init = self.lines[bare][:2]
        return self.value(body) if init is None else self.recursion(bare)

    def read(self, x: Value, bare: Name, axis: str, offset: int) -> Value:
        if axis not in x.names:
            return x.called(EVENT, axis) if offset == 0 and axis not in self.data else x
        if not offset:
            return x
        dim, length = x.names.index(axis), x.size(axis)
        at = torch.arange(length) + offset
        moved = Value(x.names, x.data.index_select(dim, at.clamp(0, length - 1)))
        _, init, along, mask = self.lines.get(bare, (None, None, "", None))
        if init is None or along != axis:
            return moved
        inside = ((at >= 0) & (at < length)).to(torch.float64)
        kept = Value((axis,), inside)
        if mask is not None:
            valid = self.value(mask)
            ahead = Value(valid.names, valid.data.index_select(valid.names.index(axis), at.clamp(0, length - 1)))
            kept = pointwise(torch.mul, kept, ahead)
        return pointwise(lambda k, a, b: torch.where(k != 0, a, b), kept, moved, self.value(init))

    def recursion(self, bare: Name) -> Value:
        """The states by iteration: what follows from what is known spreads by one index each time."""
        together, waiting = [bare], [bare]
        while waiting:
            for name in letters(self.lines[waiting.pop()][0]):
                name = self.bare(name)
                if name in self.lines and self.lines[name][1] is not None and name not in (*together, *self.running):
                    together.append(name)
                    waiting.append(name)
        before = dict(self.running)
        for name in together:
            _, init, axis, _ = self.lines[name]
            start = self.value(init)
            self.running[name] = pointwise(lambda a, b: a + 0 * b, start, Value((axis,), torch.zeros(self.sizes[axis])))
        for _ in range(self.sizes[self.lines[bare][2]] * len(together) + 1):
            for name in together:
                self.running[name] = self.value(self.lines[name][0])
        found, self.running = self.running[bare], before
        return found

    # --- formulas ----------------------------------------------------------------------------------------------
    def value(self, tree: Any = None) -> Value:
        tree = self.main if tree is None else tree
        for known, stands in self.cut:
            if tree == known:
                return stands
            if EVENT in stands.names and whole(tree, self.coordinate) == known:
                return stands.called(EVENT, self.coordinate)
        return (
            getattr(self, "_" + tree[0], self._compare)(*tree[1:]) if tree[0] not in COMPARE else self._compare(*tree)
        )

    def _number(self, x: float) -> Value:
        return Value((), torch.tensor(x, dtype=torch.float64))

    def _sum(self, *terms: Any) -> Value:
        return pointwise(lambda *xs: sum(xs), *map(self.value, terms))

    def _product(self, *factors: Any) -> Value:
        return pointwise(lambda *xs: torch.stack(torch.broadcast_tensors(*xs)).prod(0), *map(self.value, factors))

    def _negative(self, x: Any) -> Value:
        return pointwise(torch.neg, self.value(x))

    def _power(self, x: Any, y: Any) -> Value:
        if x[:2] == ("call", "norm"):
            return over(lambda v, d: (v**2).sum(d), self.value(x[2]), (EVENT,))
        return pointwise(torch.pow, self.value(x), self.value(y))

    def _compare(self, sign: str, x: Any, y: Any) -> Value:
        return pointwise(COMPARE[sign], self.value(x), self.value(y))

    def _sg(self, x: Any) -> Value:
        found = self.value(x)
        return Value(found.names, found.data.detach())

    def _call(self, name: str, *args: Any) -> Value:
        if name == r"\frac":
            return pointwise(torch.div, self.value(args[0]), self.value(args[1]))
        if name == "dot":
            return over(lambda v, d: v.sum(d), pointwise(torch.mul, *map(self.value, args)), (EVENT,))
        return pointwise(UNARY[name], self.value(args[0]))

    def _big(self, op: str, under: str, mask: str, body: Any) -> Value:
        x = self.value(body)
        letters_ = [u.strip() for u in under.replace(" ", "").split(",")]
        names = self.data if under.startswith(r"\mathcal") else tuple(letters_)
        if mask:
            worst = float("-inf") if op == r"\max" else float("inf")
            x = pointwise(lambda m, v: torch.where(m != 0, v, worst), self.value(parse(mask.removesuffix(" = 1"))), x)
        x = pointwise(
            lambda v, *w: v + sum(0 * k for k in w),
            x,
            *(self.length(m) for m in names if m in self.sizes and m not in self.data),
        )
        return over(
            {
                r"\sum": torch.sum, r"\mean": torch.mean, r"\min": torch.amin, r"\max": torch.amax,
                r"\arg\min": torch.argmin, r"\arg\max": torch.argmax,
            }[op], x, names,
        )  # fmt: skip

    def length(self, axis: str) -> Value:
        return Value((axis,), torch.zeros(self.sizes[axis]))

    def _below(self, x: Any, under: str) -> Value:
        first, *axes = under.replace(" ", "").split(",")
        if first.startswith("["):
            index, count = map(int, first.strip("[]").split("/"))
            whole = self.raw(x)
            found = (
                whole[index - 1]
                if isinstance(whole, tuple)
                else Value(whole.names, whole.data.chunk(count, -1)[index - 1])
            )
        else:
            found, axes = self.value(x), [first, *axes]
        for axis in axes:
            found = self.read(found, Name("", (), (), 0), axis, 0)
        return found

    def _at(self, x: Any, index: Any) -> Value:
        found = self.value(x)
        if index[0] == "to":
            return found.called(index[1][1].base, self.plain(index[2][1]))
        if index[0] == "=":
            axis, at = self.plain(index[1][1]), self.value(index[2])
        else:
            axis, at = EVENT, self.value(index)
        inner = found.called(axis, "?")
        rest = tuple(m for m in (*inner.names, *at.names) if m != "?")
        order = tuple(dict.fromkeys(m for m in rest if m != EVENT))
        tail = (EVENT,) if EVENT in rest else ()
        table = inner.laid((*order, *tail, "?"))
        where = at.laid((*order, *tail)).long().unsqueeze(-1)
        shape = torch.broadcast_shapes(table.shape[:-1], where.shape[:-1])
        picked = table.expand(*shape, table.shape[-1]).gather(-1, where.expand(*shape, 1)).squeeze(-1)
        return Value((*order, *tail), picked)

    @staticmethod
    def plain(name: Name) -> str:
        return name.base + "_".join(("", *name.subs)) + "'" * name.primes

    # --- functions ---------------------------------------------------------------------------------------------
    def raw(self, tree: Any) -> Any:
        """What a network with several outputs gives."""
        return self.known[self.bare(tree[1])](*(self.value(a) for a in tree[2:]))

    def _apply(self, name: Name, *args: Any) -> Value:
        bare, axes = self.bare(name), [i for i, _ in self.indices(name)]
        if callable(self.known.get(bare)):
            return self.known[bare](*map(self.value, args), *((axes[0],) if axes else ()))
        if bare in self.functions:
            formals, body = self.functions[bare]
            given = dict(zip(formals, map(self.value, args), strict=True))
            with self.bound(given):
                return self.value(body)
        if bare.base in UNARY:
            return pointwise(UNARY[bare.base], self.value(args[0]))
        if bare.base in (r"\min", r"\max"):
            return pointwise(torch.minimum if bare.base == r"\min" else torch.maximum, *map(self.value, args))
        word = re.sub(r"\\operatorname\{(.*)\}", r"\1", bare.base).replace(r"\,", "_").replace(" ", "")
        return getattr(self, f"word_{word}")(axes, *args)

    @contextmanager
    def bound(self, given: dict[Name, Value]):
        before = dict(self.known)
        self.known.update(given)
        try:
            yield
        finally:
            self.known = before


def whole(tree: Any, d: str) -> Any:
    """A formula of a coordinate as the formula of the vector."""
    if isinstance(tree, Name):
        return tree._replace(subs=tuple(s for s in tree.subs if s != d))
    if isinstance(tree, tuple) and tree[0] == "big" and tree[2] == d:
        return tree  # it runs over coordinates of its own
    if isinstance(tree, tuple) and tree[0] == "below":
        kept = [u for u in tree[2].split(" , ") if u != d]
        return ("below", whole(tree[1], d), " , ".join(kept)) if kept else whole(tree[1], d)
    return tuple(whole(x, d) for x in tree) if isinstance(tree, tuple) else tree


def letters(tree: Any) -> list[Name]:
    """All letters of a formula."""
    if isinstance(tree, Name):
        return [tree]
    return [x for part in tree if isinstance(part, tuple) for x in letters(part)] if isinstance(tree, tuple) else []

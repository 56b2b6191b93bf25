"""Law 1 by the page alone: LaTeX is read back by a reader that knows no node, and is worth what the graph gives."""

from __future__ import annotations

import pytest
import torch

from probrl.expr import nodes as n
from probrl.printing import Page
from probrl.printing.latex import pairs_of
from tests.laws.cases import CLOSE, Case, cases, gradients, make, world
from tests.laws.generator import SIZE, SIZES
from tests.laws.reader_values import Reader
from tests.laws.reader_words import EVENT, Value, union


def letters_of(page: Page) -> tuple[list[tuple[str, str]], dict]:
    """The lines of a page, and which thing has which letter."""
    desks, lay = [], page._desk

    def kept(*args):
        desks.append(lay(*args))
        return desks[-1]

    page._desk = kept
    rows = pairs_of(page.rows())
    return rows, desks[0].letters._given


def read(case: Case, **options):
    page = Page(**options)
    page.row(case.expr)
    rows, given = letters_of(page)
    axis = {key[1]: name.latex for key, name in given.items() if key[0] == "axis"}

    def called(kind) -> tuple[str, ...]:
        return (*(axis.get(a, a.name) for a in kind.axes), *((EVENT,) * (kind.rank or 0)))

    leaves = {}
    for key, name in given.items():
        if key[0] == "column":
            symbol = next(x for x in vars(world()).values() if isinstance(x, n.Symbol) and x.name == key[1])
            leaves[name.latex] = Value((*(axis.get(a, a.name) for a in symbol.axes), *((EVENT,) * (symbol.rank or 0))),
                                       world().batch[key[1]])  # fmt: skip
        elif key[0] == "cell":
            stored = key[1].storage
            leaves[name.latex] = Value((), stored.exp() if key[1].positive else stored)
        elif key[0] == "noise":
            leaves[name.latex] = Value(called(key[1].type), case.noise[key[1]])
        elif key[0] == "model":
            leaves[name.latex] = network(key[1], key[3], axis)
    time = next((a for a in axis if a.name == "time"), None)
    valid = "time" if time is None else axis[time]
    leaves[r"\mathrm{valid}"] = Value(("batch", valid), world().batch["valid"])
    sizes = {latex: SIZES.get(a.name, SIZE) for a, latex in axis.items()}
    sizes |= {name.latex: SIZE for key, name in given.items() if key[0] == "coordinate"}
    d = given[("coordinate",)].latex if ("coordinate",) in given else "d"
    return Reader(rows, leaves, sizes, ("batch", valid), d).value()


def network(net, role: str, axis: dict):
    """A network in a role as a function of values."""

    def call(*args):
        members = args[-1] if isinstance(args[-1], str) else None
        values = args[:-1] if members else args
        names = tuple(m for m in union(*values) if m != EVENT)
        laid = []
        for v in values:
            own = (*names, EVENT) if EVENT in v.names else names
            shape = [max(w.size(m) if m in w.names else 1 for w in values) for m in names]
            tensor = v.laid(own)
            laid.append(tensor.expand(*shape, *tensor.shape[len(names) :]).reshape(-1, *tensor.shape[len(names) :]))
        if net.pure:
            return Value((*names, EVENT), net.module(values[0].laid((*names, EVENT))))
        weights = dict(net.module.named_parameters()) if role in ("live", "frozen") else net.copies[role]
        weights = {k: v.detach() for k, v in weights.items()} if role == "frozen" else weights
        out = torch.func.functional_call(net.module, weights, tuple(laid))
        if isinstance(out, tuple):
            parts = [o.reshape(*shape, o.shape[-1]) for o in out]
            return tuple(
                Value((*names, EVENT), o) if i == 0 else Value(names, o.squeeze(-1)) for i, o in enumerate(parts)
            )
        if members:
            return Value((members, *names), out.reshape(out.shape[0], *shape))
        if out.shape[-1] == 1:
            return Value(names, out.reshape(shape))
        return Value((*names, EVENT), out.reshape(*shape, out.shape[-1]))

    return call


def error(case: Case, **options) -> float:
    value = read(case, **options)
    assert not value.names, value.names
    return case.error(value.data.detach(), gradients(value.data, world().parameters()))


@pytest.mark.parametrize("expand", [False, True], ids=["by notation", "by bodies"])
def test_a_page_is_worth_what_the_graph_gives(expand):
    wrong = {c.seed: e for c in cases(120) if not (e := error(c, expand=expand)) < CLOSE}
    assert not wrong


@pytest.mark.parametrize("seed", [842, 401, 27], ids=["read ahead", "derived by a sum", "an index of known name"])
def test_what_was_once_printed_wrongly(seed):
    case = make(seed)
    assert error(case) < CLOSE

"""Axes align by name, ranks are typed."""

from __future__ import annotations

import pytest

import probrl as pr
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import Axis

TIME = Axis("time", mask="valid")


def test_a_column_has_the_axis_of_its_source_and_those_it_declares():
    assert pr.symbols("x").type.names == ("batch",)
    assert pr.symbols("x", axes="time").type.names == ("batch", "time")
    assert pr.symbols("x", axes=TIME).type.axis("time").mask == "valid"
    assert pr.symbols("x", axes=("time", "k")).type.names == ("batch", "time", "k")
    expert = pr.symbols("x", data="expert", axes="time")
    assert expert.type.names == ("expert", "time") and {a.source for a in expert.type.axes} == {"expert"}


@pytest.mark.parametrize("other", ["x", "u"])
def test_axes_are_united_by_name(other):
    x, u = pr.symbols("x"), pr.symbols("u", axes="time")
    y = {"x": x, "u": u}[other]
    assert set((y + u).type.names) == {"batch", "time"}
    assert (x + u).type.names == ("batch", "time") == (u + x).type.names


def test_numbers_go_with_every_rank():
    v = pr.symbols("v", rank=1)
    assert (v + 1).type.rank == 1
    assert (v * pr.parameter("alpha", 1.0)).type.rank == 1
    assert pr.maximum(v, pr.constant("c", 0.0)).type.rank == 1
    assert pr.where(v > 0, v, 0).type.rank == 1


def test_a_scalar_that_varies_scales_a_vector_but_is_not_added_to_it():
    v, s = pr.symbols("v", rank=1), pr.symbols("s", rank=0)
    assert (s * v).type.rank == 1 and (v / s).type.rank == 1
    for wrong in (lambda: v + s, lambda: pr.minimum(v, s), lambda: pr.where(s > 0, v, s)):
        with pytest.raises(ExpressionError, match="sqnorm"):
            wrong()


def test_vectors_of_two_ranks_do_not_meet():
    with pytest.raises(ExpressionError, match="ranks differ"):
        pr.symbols("v", rank=1) * pr.symbols("m", rank=2)


def test_reductions_take_their_axes_away():
    u = pr.symbols("u", axes="time")
    assert pr.mean(u).type == ((), None) and (u - pr.mean(u)).type.names == ("batch", "time")
    assert u.mean("time").type.names == ("batch",)
    stacked = pr.stack([u, u], "i")
    assert stacked.type.names == ("batch", "time", "i") and [a.name for a in stacked.type.index] == ["i"]
    assert stacked.max().type.names == ("batch", "time")
    assert stacked.argmax("i").type.rank == 0
    assert pr.sum_event(pr.symbols("v", rank=2)).type.rank == 0


def test_a_place_is_not_chosen_among_rows_that_do_not_count():
    u = pr.symbols("u", axes=pr.Axis("time", mask="valid"))
    for axis in ("time", "batch"):
        with pytest.raises(
            ExpressionError,
            match=f"along '{axis}' would be among rows that the mask 'valid' leaves out: x.max.'{axis}'",
        ):
            u.argmax(axis)
    assert pr.stack([u, u], "i").argmax("i").type.names == ("batch", "time")
    assert pr.symbols("w", axes="time").argmax("time").type.names == ("batch",)


def test_an_index_brings_its_own_axes():
    stacked = pr.stack([pr.symbols("x"), pr.symbols("y")], "i")
    a, t = pr.symbols("a"), pr.symbols("t", axes="time")
    assert stacked[a].type.names == ("batch",)
    assert set(stacked.at(i=t).type.names) == {"batch", "time"}
    assert stacked[1].type.names == ("batch",)
    i = pr.symbols("i")
    assert isinstance(pr.stack([stacked, stacked], "k").at(k=0)[i], n.At)


def test_events_and_axes_turn_into_each_other():
    v = pr.symbols("v", rank=1)
    assert v.to_axis("i").type.names == ("batch", "i") and v.to_axis("i").type.rank == 0
    assert v.to_axis("i").to_event("i").type == v.type
    assert v.to_axis("i").rename(i="j").type.names == ("batch", "j")


def test_draws_have_the_axes_of_what_they_are_like():
    v = pr.symbols("v", rank=1)
    assert pr.noise(like=v).type == v.type
    assert pr.noise(like=v, n=3, axis="k").type.names == ("batch", "k")


def test_derivatives_have_the_shape_of_the_point():
    v = pr.symbols("v", rank=1)
    assert pr.grad(pr.sqnorm(v), v).type == v.type
    assert pr.jvp(pr.sqnorm(v), {v: v}).type.rank == 0
    assert pr.divergence(v * 2, v).type.names == ("batch",)


def test_recursions_have_their_axis():
    r = pr.symbols("r", axes=TIME)
    returns = pr.recursion(lambda G: r + 0.9 * G, init=0, over="time", reverse=True)
    assert returns.type.names == ("batch", "time") and returns.type.rank == 0
    first, second = pr.recursion(lambda x, y: (r, x + y), init=(0, 0), over="time")
    assert isinstance(first, n.Item) and second.type.names == ("batch", "time")

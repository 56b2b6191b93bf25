"""What a program is handed: anything with names and columns, refused in one line when it does not fit."""

from __future__ import annotations

import pytest
import torch

import probrl as pr
from probrl.errors import DataError, ExpressionError
from tests.programs.declared import own_loss
from tests.programs.running import distance, tensors


class Columns:
    """What a TensorDict looks like from outside: keys and columns; iterating over it goes over rows."""

    def __init__(self, columns):
        self.columns = columns

    def keys(self):
        return self.columns.keys()

    def __getitem__(self, name):
        return self.columns[name]

    def __iter__(self):
        raise AssertionError("rows")


@pytest.fixture(scope="module")
def declared():
    torch.manual_seed(0)
    return own_loss()


@pytest.fixture(scope="module")
def update(declared):
    return declared.program.compile(backend="eager")


def refused(update, batch, pattern):
    modules = {"pi": update.program.networks[0].module}
    before = tensors(modules)
    with pytest.raises(DataError, match=pattern) as found:
        update(batch)
    assert "\n" not in str(found.value)
    assert distance(before, tensors(modules)) == 0


def test_a_missing_column_is_named_with_the_nearest(declared, update):
    batch = dict(declared.batch)
    batch["a_logprob"] = batch.pop("a_log_prob")
    refused(update, batch, "a_log_prob.*a_logprob")


def test_a_misshaped_column(declared, update):
    refused(update, {**declared.batch, "R": torch.randn(16, 1)}, "R")
    refused(update, {**declared.batch, "A": torch.randn(15)}, "A|batch|row")
    refused(update, {**declared.batch, "A": torch.tensor(1.0)}, "A")


def test_integers_where_numbers_are_meant(declared, update):
    refused(update, {**declared.batch, "R": torch.ones(16, dtype=torch.int64)}, "R.*(float|integer)")


def test_numbers_where_integers_are_meant(declared, update):
    refused(update, {**declared.batch, "a": torch.full((16,), 0.5)}, "a.*(integer|class)")


def test_what_is_no_tensor(declared, update):
    refused(update, {**declared.batch, "R": [1.0] * 16}, "R.*list")
    refused(update, [1, 2], "dict")


def test_more_columns_than_needed_are_ignored_and_named_by_check(declared, update):
    batch = {**declared.batch, "surplus": torch.randn(3)}
    assert float(update(batch)["finite"]) == 1
    assert "surplus" in str(declared.names["loss"].check(batch))


def test_anything_with_names_and_columns(declared, update):
    assert float(update(Columns(declared.batch))["finite"]) == 1
    assert declared.names["loss"](Columns(declared.batch)).shape == ()
    declared.program.check(Columns(declared.batch))


def test_bool_columns_are_indicators():
    r, done = pr.symbols("r done")
    value = pr.sum(r * (1 - done))
    assert float(value({"r": torch.tensor([1.0, 2.0]), "done": torch.tensor([True, False])})) == 2.0


def test_a_mask_is_bool():
    x = pr.symbols("x", axes=pr.Axis("time", mask="valid"))
    value = pr.mean(x)
    batch = {"x": torch.tensor([[1.0, 2.0, 9.0]]), "valid": torch.tensor([[True, True, False]])}
    assert float(value(batch)) == 1.5
    with pytest.raises(DataError, match="valid"):
        value({"x": batch["x"]})


def following():
    time = pr.Axis("time", mask="valid")
    s, r = pr.symbols("s r", axes=time)
    V = pr.Deterministic("v | s", pr.mlp(2, 4, 1), name="V")
    td = r + 0.9 * pr.stop_gradient(pr.next(V(s))) - V(s)
    batch = {"s": torch.randn(3, 5, 2), "r": torch.randn(3, 5), "valid": torch.ones(3, 5, dtype=torch.bool)}
    return pr.Minimize(pr.mean(td**2), wrt=V).compile(backend="eager"), batch


def test_next_asks_for_the_row_after_the_last():
    update, batch = following()
    refused(update, batch, "last row along time.*next")
    batch["valid"][:, -1] = False
    assert float(update(batch)["finite"]) == 1


def test_several_sources():
    s = pr.symbols("s")
    s_E, a_E = pr.symbols("s_E a_E", data="expert")
    pi = pr.Categorical("a | s", pr.mlp(3, 8, 2), name=r"\pi")
    loss = pr.mean(-pi(s_E).log_prob(a_E)) - 0.1 * pr.mean(pi(s).entropy())
    both = {"batch": {"s": torch.randn(4, 3)}, "expert": {"s_E": torch.randn(7, 3), "a_E": torch.randint(0, 2, (7,))}}
    loss.check(both)
    for backend in ("eager", "aot_eager"):
        update = pr.Minimize(loss, wrt=pi).compile(backend=backend)
        assert float(update(both)["finite"]) == 1
        torch.testing.assert_close(update(both)["loss"] > loss(both).detach(), torch.tensor(True))
        assert float(update({"s": both["batch"]["s"], "expert": both["expert"]})["finite"]) == 1
    with pytest.raises(DataError, match="data source 'expert'"):
        update({"batch": both["batch"]})
    with pytest.raises(DataError, match=r"'s_E'.*'s_e'"):
        update({"batch": both["batch"], "expert": {"s_e": torch.randn(7, 3), "a_E": both["expert"]["a_E"]}})
    step = pr.Minimize(loss, wrt=pi)
    with pytest.raises(ExpressionError, match=r"'expert' and 'batch'|'batch' and 'expert'"):
        pr.Fit(step, minibatch=2)
    pr.Fit(step, epochs=2).compile(backend="eager")(both)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_batches_of_several_sizes(backend):
    """Sizes may change from call to call, draws with them."""
    torch.manual_seed(0)
    s, y = pr.symbols("s y")
    p = pr.Normal("u | s", pr.mlp(3, 8, 2), rank=0, name="p")
    update = pr.Minimize(pr.mean((p(s).draw() - y) ** 2), wrt=p).compile(backend=backend, seed=0)
    for rows in (5, 7, 2, 7, 1, 64):
        assert float(update({"s": torch.randn(rows, 3), "y": torch.randn(rows)})["finite"]) == 1

"""What a program is handed: anything with names and columns, refused in one line when it does not fit."""

from __future__ import annotations

import pytest
import torch

import probrl as pr
from probrl.errors import DataError
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

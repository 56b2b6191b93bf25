"""What a program is handed: anything with names and columns, refused in one line when it does not fit."""

from __future__ import annotations

import pytest
import torch

import probrl as pr
from probrl.errors import DataError, ExpressionError
from tests.programs.declared import PROGRAMS, own_loss
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


class Parts(torch.nn.Module):
    """A network that takes a nested dict."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(5, 1)

    def forward(self, o):
        return self.line(torch.cat([o["a"], o["b"]["c"]], -1))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_nested_dict_is_handed_on(backend):
    torch.manual_seed(0)
    o, y = pr.symbols("o y")
    f = pr.Deterministic("f | o", Parts())
    step = pr.Minimize(pr.mean((f(o) - y) ** 2), wrt=f)
    batch = {"o": {"a": torch.randn(6, 3), "b": {"c": torch.randn(6, 2)}}, "y": torch.randn(6)}
    for program in (pr.Program(step), pr.Program(pr.Fit(step, minibatch=2))):
        assert float(program.compile(backend=backend)(batch)["finite"]) == 1


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_pictures_along_time(backend):
    torch.manual_seed(0)
    time = pr.Axis("time", mask="valid")
    o, y = pr.symbols("o y", axes=time)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32, 1))
    f = pr.Deterministic("f | o", net)
    prepare = pr.Prepare(G=pr.recursion(lambda g: y + 0.9 * g + f(o), init=0, over="time", reverse=True))
    (G,) = prepare
    fit = pr.Fit(pr.Minimize(pr.mean((f(o) - G) ** 2), wrt=f), minibatch=4, epochs=2)
    batch = {"o": torch.randn(5, 3, 1, 6, 6), "y": torch.randn(5, 3), "valid": torch.rand(5, 3) < 0.8}
    assert float(pr.Program(prepare, fit).compile(backend=backend)(batch)["finite"]) == 1


def test_a_fit_refuses_what_does_not_fit():
    torch.manual_seed(0)
    declared = PROGRAMS["ppo"]()
    update = declared.program.compile(backend="eager")
    batch = declared.batch
    for broken, pattern in (
        ({k: v for k, v in batch.items() if k != "a_log_prob"}, r"no entry 'a_log_prob'"),
        ({k: v for k, v in batch.items() if k != "valid"}, r"no entry 'valid'"),
        ({**batch, "a_log_prob": batch["a_log_prob"][:, :3]}, r"'a_log_prob'|'time'"),
        ({**batch, "a_log_prob": batch["a_log_prob"][..., None]}, r"'a_log_prob'.*squeeze"),
        ({**batch, "a_log_prob": torch.ones(5, 8, dtype=torch.int64)}, r"'a_log_prob' holds integers"),
    ):
        refused(update, broken, pattern)


@pytest.mark.parametrize("size", [1, 3])
def test_a_vector_is_not_stretched_to_the_size_of_another(size):
    s, c = pr.symbols("s"), pr.symbols("c", rank=1)
    for family in (pr.Normal, pr.TanhNormal):
        mu = family("c | s", pr.mlp(4, 8, 4), name=r"\mu")
        value = pr.mean(mu(s).log_prob(c))
        batch = {"s": torch.randn(6, 4), "c": torch.rand(6, 2)}
        assert value(batch).isfinite()
        with pytest.raises(DataError, match=f"c.* has {size} coordinates .* has 2"):
            value({**batch, "c": torch.rand(6, size)})
        with pytest.raises(DataError, match="vectors that meet are of one size"):
            pr.Minimize(-value, wrt=mu).compile(backend="eager")({**batch, "c": torch.rand(6, size)})


def test_a_network_whose_outputs_cannot_be_halved_is_refused():
    s, c = pr.symbols("s"), pr.symbols("c", rank=1)
    mu = pr.Normal("c | s", pr.mlp(4, 8, 3), name=r"\mu")
    with pytest.raises(DataError, match="3 numbers, which are not 2 equal parts"):
        pr.mean(mu(s).log_prob(c))({"s": torch.randn(6, 4), "c": torch.rand(6, 1)})
    with pytest.raises(ExpressionError, match="6 numbers, and a scalar's distribution takes two"):
        pr.Normal("v | s", pr.mlp(4, 8, 6), rank=0, name="N")(s).log_prob(s)


def test_a_formula_alone_refuses_an_episode_without_a_last_row_too():
    r = pr.symbols("r", axes=pr.Axis("time", mask="valid"))
    batch = {"r": torch.randn(2, 3), "valid": torch.tensor([[True, True, False]] * 2)}
    assert torch.equal(pr.next(r)(batch)[:, :2], batch["r"][:, 1:])
    with pytest.raises(DataError, match="one more row that holds its last observation"):
        pr.next(r)({**batch, "valid": torch.ones(2, 3, dtype=torch.bool)})


MISFITS = [
    ({"s": torch.randn(16, 3)}, r"the network of \\pi_\\theta .*\(16, 3\) float32.*16x3 and 4x"),
    ({"s": torch.randn(16, 4, dtype=torch.float64)}, r"the network of \\pi_\\theta .*\(16, 4\) float64.*Double and Float"),
    ({"a": torch.full((16,), 7)}, r"'a' goes from 7 to 7 and chooses among 2: it must be within 0 to 1"),
    ({"a": torch.full((16,), -1)}, r"'a' goes from -1 to -1"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "pattern"), MISFITS)
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_what_a_network_or_an_index_cannot_take_is_named(declared, backend, wrong, pattern):
    """Whether the program has run before or not; a compiled one stays compiled."""
    update = declared.program.compile(backend=backend)
    batch = {**declared.batch, **wrong}
    refused(update, batch, pattern)
    assert float(update(declared.batch)["finite"]) == 1
    refused(update, batch, pattern)
    assert float(update(declared.batch)["finite"]) == 1
    loss = declared.names["loss"]
    for reading in (loss,) if "float64" in pattern else (loss, loss.check):  # a check widens everything to float64
        with pytest.raises(DataError, match=pattern.split(" .*")[0]):
            reading(batch)

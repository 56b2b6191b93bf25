"""Fit: shuffled minibatches of rows or episodes, epochs as a formula, stops, preparations inside."""

from __future__ import annotations

import pytest
import torch

import probrl as pr
from probrl.errors import ExpressionError
from tests.programs.running import agree, distance, run, single, tensors

BACKENDS = ("eager", "aot_eager")
x, y = pr.symbols("x y")


class Seen(torch.nn.Module):
    """A line that writes down what it is called with."""

    def __init__(self, size: int = 1):
        super().__init__()
        self.line, self.inputs = torch.nn.Linear(size, 1), []

    def forward(self, x):
        self.inputs.append(x.detach().clone())
        return self.line(x)


def watched(size: int = 1):
    net = Seen(size)
    f = pr.Deterministic("f | x", net)
    return f, net.inputs


def numbered(rows: int) -> dict[str, torch.Tensor]:
    return {"x": torch.arange(rows, dtype=torch.float32)[:, None], "y": torch.zeros(rows)}


def test_every_row_once_in_an_epoch_and_the_remainder_left_out():
    f, seen = watched()
    fit = pr.Fit(pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f, optimizer=pr.SGD(1e-6)), epochs=3, minibatch=4)
    pr.Program(fit).compile(backend="eager", seed=0)(numbered(11))
    assert [len(s) for s in seen] == [4] * 6
    epochs = [torch.cat(seen[i : i + 2]).flatten().tolist() for i in (0, 2, 4)]
    for rows in epochs:
        assert len(set(rows)) == 8  # 2 minibatches of 4 of 11 rows: 3 are left out, each time others
    assert len({tuple(e) for e in epochs}) == 3
    assert set().union(*epochs) == set(range(11))


def test_a_minibatch_larger_than_the_data_is_all_of_it():
    f, seen = watched()
    pr.Fit(pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f), epochs=2, minibatch=64).compile(backend="eager")(numbered(5))
    assert [len(s) for s in seen] == [5, 5]


def test_without_a_size_all_data_is_taken_each_epoch():
    f, seen = watched()
    pr.Fit(pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f), epochs=3).compile(backend="eager")(numbered(5))
    assert [s.flatten().tolist() for s in seen] == [[0, 1, 2, 3, 4]] * 3


def test_epochs_is_a_formula():
    f, seen = watched()
    program = pr.Program(pr.Fit(pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f), epochs=pr.where(pr.iteration < 1, 5, 2)))
    update = program.compile(backend="eager")
    for expected in (5, 2, 2):
        seen.clear()
        update(numbered(4))
        assert len(seen) == expected


def test_rows_of_several_axes_are_shuffled_as_one():
    x, y = pr.symbols("x y", axes="time")
    w = pr.symbols("w")  # one value per episode, repeated along time
    f, seen = watched()
    program = pr.Program(
        pr.Fit(pr.Minimize(pr.mean((f(x) - y) ** 2 * w), wrt=f, optimizer=pr.SGD(1e-9)), epochs=1, minibatch=6)
    )
    rows = torch.arange(12.0).reshape(3, 4)
    found = program.compile(backend="eager", seed=0)(
        {"x": rows[..., None], "y": torch.zeros(3, 4), "w": torch.tensor([0.0, 0.0, 1.0])}
    )
    assert sorted(torch.cat(seen).flatten().tolist()) == list(range(12))
    a, b = f.net.line.weight.item(), f.net.line.bias.item()
    expected = sum((a * v + b) ** 2 for v in range(8, 12)) / 12
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-4)


def test_episodes_stay_whole():
    x, y = pr.symbols("x y", axes="time")
    f, seen = watched()
    follow = pr.recursion(lambda m: 0.5 * m + f(x), init=0, over="time")
    program = pr.Program(pr.Fit(pr.Minimize(pr.mean((follow - y) ** 2), wrt=f), epochs=2, minibatch=2, unit="episode"))
    rows = torch.arange(20.0).reshape(5, 4)
    program.compile(backend="eager", seed=0)({"x": rows[..., None] / 20, "y": torch.zeros(5, 4)})
    assert [tuple(s.shape) for s in seen] == [(8, 1)] * 4  # networks see rows, whatever the axes
    for part in seen:
        for episode in part.reshape(2, 4) * 20:
            torch.testing.assert_close(episode - episode[0], torch.arange(4.0), rtol=0, atol=1e-4)


def test_a_recursion_over_shuffled_rows_is_refused():
    x, y = pr.symbols("x y", axes="time")
    f, _ = watched()
    follow = pr.recursion(lambda m: 0.5 * m + f(x), init=0, over="time")
    with pytest.raises(ExpressionError, match="unit='episode'"):
        pr.Fit(pr.Minimize(pr.mean((follow - y) ** 2), wrt=f), minibatch=2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_moves_once_the_stop_holds(backend):
    f = pr.Deterministic("f | x", pr.mlp(1, 1))
    program = pr.Program(
        pr.Fit(pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f), epochs=3, minibatch=4, stop=pr.mean(y) > 10)
    )
    update = program.compile(backend=backend, seed=0)
    before = tensors({"f": f})
    found = update({**numbered(8), "y": torch.full((8,), 11.0)})
    assert distance(before, tensors({"f": f})) == 0
    assert float(found["epochs"]) == 1
    found = update(numbered(8))  # the stop is of one run of the Fit, not of the program
    assert distance(before, tensors({"f": f})) > 0
    assert float(found["epochs"]) == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stop_in_the_middle_keeps_what_was_done_before_it(backend):
    torch.manual_seed(0)
    f = pr.Deterministic("f | x", pr.mlp(1, 1))
    m = pr.state("m")
    program = pr.Program(
        pr.Fit(
            pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f, optimizer=pr.SGD(0.01)),
            pr.Assign(m, m + 1),
            epochs=5,
            stop=m > 2.5,
        )
    )
    update = program.compile(backend=backend, seed=0)
    batch = numbered(4)
    expected = [p.detach().clone() for p in f.parameters()]
    for _ in range(3):
        w, b = (p.requires_grad_() for p in expected)
        grads = torch.autograd.grad((((batch["x"] @ w.T + b).squeeze(-1) - batch["y"]) ** 2).mean(), [w, b])
        expected = [(p - 0.01 * g).detach() for p, g in zip([w, b], grads, strict=True)]
    update(batch)
    for p, wanted in zip(f.parameters(), expected, strict=True):
        torch.testing.assert_close(p.detach(), wanted, rtol=0, atol=1e-6)


def test_metrics_are_means_over_the_minibatches():
    f, _ = watched()
    program = pr.Program(
        pr.Fit(pr.Minimize(pr.mean((0 * f(x) + y) ** 2), wrt=f), pr.Report(total=pr.mean(y)), epochs=2, minibatch=2)
    )
    found = program.compile(backend="eager", seed=0)({**numbered(4), "y": torch.tensor([1.0, 2.0, 3.0, 4.0])})
    assert float(found["total"]) == pytest.approx(2.5)
    assert float(found["loss"]) == pytest.approx(7.5)


def test_noise_is_drawn_anew_for_each_minibatch():
    f, seen = watched()
    noises = pr.noise(like=y)
    program = pr.Program(
        pr.Fit(pr.Minimize(pr.mean((f(x) - noises) ** 2), wrt=f, optimizer=pr.SGD(0.0)), pr.Report(e=noises), epochs=4)
    )
    update = program.compile(backend="eager", seed=0)
    one = update(numbered(3))["e"]
    two = update(numbered(3))["e"]
    assert one.shape == (3,) and not torch.equal(one, two)
    assert sum(len(s) == 3 for s in seen) >= 8


def inner_prepare():
    torch.manual_seed(3)
    x, y = pr.symbols("x y", axes="time")
    f = pr.Deterministic("f | x", pr.mlp(2, 8, 1))
    target = pr.recursion(lambda G: y + 0.9 * G + 0.1 * f(x), init=0, over="time", reverse=True)
    prepare = pr.Prepare(G=target)
    (G,) = prepare
    fit = pr.Fit(pr.Minimize(pr.mean((f(x) - G) ** 2), wrt=f, optimizer=pr.Adam(1e-2)), epochs=2, minibatch=4)
    program = pr.Program(pr.Fit(prepare, fit, epochs=3))
    return single(program, {"x": torch.randn(3, 5, 2), "y": torch.randn(3, 5)}, f=f)


def test_a_prepare_inside_a_fit_is_computed_each_time():
    agree(inner_prepare, 2)


def test_a_wrong_unit_or_count_is_refused():
    f, _ = watched()
    step = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f)
    for options in ({"unit": "rows"}, {"epochs": 0}, {"minibatch": -3}, {"minibatch": 2.5}):
        with pytest.raises(ExpressionError, match=r"pr\.Fit"):
            pr.Fit(step, **options)


@pytest.mark.parametrize("backend", BACKENDS)
def test_once_stopped_copies_and_scalars_stay_too(backend):
    torch.manual_seed(0)
    f = pr.Deterministic("f | x", pr.mlp(1, 1))
    m = pr.state("m")
    step = pr.Minimize(pr.mean((f(x) - y) ** 2 + 0 * (f.target(x) + f.old(x))), wrt=f, optimizer=pr.SGD(0.1))
    inside = (step, pr.Assign(m, m + 1), pr.Polyak(f.target, tau=0.5), pr.Snapshot(f.old))
    program = pr.Program(pr.Fit(*inside, epochs=2, minibatch=2, stop=m > 1.5), pr.Report(m=m))
    update = program.compile(backend=backend, seed=0)
    found = update({**numbered(8), "y": torch.ones(8)})
    assert float(found["m"]) == 2  # of four minibatches the third and the fourth find it stopped
    kept = {role: {k: v.clone() for k, v in f.handle.copies[role].items()} for role in ("target", "old")}
    update({**numbered(8), "y": torch.ones(8)})
    for role, tensors_ in kept.items():
        assert all(torch.equal(v, f.handle.copies[role][k]) for k, v in tensors_.items())


def test_a_stop_that_would_stop_nothing_is_refused():
    f, _ = watched()
    inner = pr.Fit(pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f))
    with pytest.raises(ExpressionError, match="nothing would stop"):
        pr.Fit(inner, stop=pr.mean(y) > 0)


def test_a_stop_waits_for_the_first_update():
    f, _ = watched()
    z = pr.Prepare(z=y + 1)
    fit = pr.Fit(
        pr.Report(size=pr.mean(y)), z, pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f), epochs=4, stop=pr.mean(y) > 10
    )
    before = tensors({"f": f})
    found = fit.compile(backend="eager")({**numbered(4), "y": torch.full((4,), 11.0)})
    assert float(found["epochs"]) == 1 and distance(before, tensors({"f": f})) == 0


@pytest.mark.parametrize("minibatches", [6, 5])
def test_however_many_minibatches_go_into_one_function_all_are_run(minibatches):
    """A compiled Fit takes several minibatches at once; those that are left over are fewer, and come again."""

    def make():
        f, count = pr.Deterministic("f | x", pr.mlp(2, 4, 1)), pr.state("count")
        step = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f, optimizer=pr.Adam(1e-2))
        program = pr.Program(pr.Fit(step, pr.Assign(count, count + 1), epochs=3, minibatch=2), pr.Report(count=count))
        return single(program, {"x": torch.randn(2 * minibatches, 2), "y": torch.randn(2 * minibatches)}, f=f)

    agree(make, 2)
    _, metrics, _ = run(make, "aot_eager", 2)
    assert [float(m["count"]) for m in metrics] == [3 * minibatches, 6 * minibatches]


def test_the_page_says_at_which_parameters_a_report_is_read():
    """Right after an update it is of before it; after another step it is of then: by the numbers and on the page."""
    torch.manual_seed(0)
    f = pr.Deterministic("f | x", pr.mlp(1, 1))
    step = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f, optimizer=pr.SGD(0.1))
    program = pr.Program(step, pr.Report(early=pr.mean(f(x))), pr.Prepare(z=y + 1), pr.Report(late=pr.mean(f(x))))
    batch = {"x": torch.ones(4, 1), "y": torch.ones(4)}

    def value():
        return float(pr.mean(f(x))(batch).detach())

    before = value()
    found = program.compile(backend="eager", seed=0)(batch)
    assert float(found["early"]) == pytest.approx(before)
    assert float(found["late"]) == pytest.approx(value()) != pytest.approx(before)
    lines = [line.split(":")[0] for line in program.text().splitlines()]
    marked = [lines[i - 1] for i, line in enumerate(lines) if line.startswith("report ")]
    assert marked[0] == "at the parameters before this update" != marked[1]


def test_the_page_says_that_rows_are_left_out():
    f, _ = watched()
    step = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f)
    assert "dropping an incomplete last one" in pr.Program(pr.Fit(step, minibatch=4)).text()
    assert "dropping" not in pr.Program(pr.Fit(step)).text()

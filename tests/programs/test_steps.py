"""What each step of a program does to parameters, copies and scalars."""

from __future__ import annotations

import math

import pytest
import torch

import probrl as pr
from tests.programs.running import agree, distance, run, single, tensors

x, y = pr.symbols("x y")
BACKENDS = ("eager", "aot_eager")


def line(name: str = "f", size: int = 3) -> pr.Deterministic:
    return pr.Deterministic("f | x", pr.mlp(size, 8, 1), name=name)


def data(rows: int = 10, size: int = 3) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(rows, size), "y": torch.randn(rows)}


def coupled(together: bool):
    f, g = line("f"), line("g")
    first = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f, optimizer=pr.SGD(0.1))
    second = pr.Minimize(pr.mean((g(x) - pr.stop_gradient(f(x))) ** 2), wrt=g, optimizer=pr.SGD(0.1))
    steps = (pr.Together(first, second),) if together else (first, second)
    return single(pr.Program(*steps), data(), f=f, g=g)


def test_steps_see_what_earlier_ones_wrote_and_together_does_not():
    one, _, _ = run(lambda: coupled(True), "eager", 1)
    two, _, _ = run(lambda: coupled(False), "eager", 1)
    a, b = tensors(one.modules), tensors(two.modules)
    assert distance({k: v for k, v in a.items() if k[0] == "f"}, {k: v for k, v in b.items() if k[0] == "f"}) == 0
    assert distance(a, b) > 1e-4


@pytest.mark.parametrize("together", [True, False])
def test_together_and_in_a_row_traced_alike(together):
    agree(lambda: coupled(together), 3)


def test_together_is_the_gradients_at_the_start():
    torch.manual_seed(0)
    declared = coupled(True)
    f, g = declared.modules["f"], declared.modules["g"]
    xs, ys = declared.batch["x"], declared.batch["y"]
    out_f, out_g = f.net(xs).squeeze(-1), g.net(xs).squeeze(-1)
    wanted = []
    for module, loss in ((f, ((out_f - ys) ** 2).mean()), (g, ((out_g - out_f.detach()) ** 2).mean())):
        grads = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)
        wanted += [p.detach() - 0.1 * d for p, d in zip(module.parameters(), grads, strict=True)]
    declared.program.compile(backend="eager")(declared.batch)
    for p, w in zip([*f.parameters(), *g.parameters()], wanted, strict=True):
        torch.testing.assert_close(p, w, rtol=0, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_maximize_goes_up(backend):
    f = line()
    update = pr.Maximize(pr.mean(-((f(x) - y) ** 2)), wrt=f, optimizer=pr.SGD(0.05)).compile(backend=backend)
    batch = data()
    values = [float(update(batch)["loss"]) for _ in range(10)]
    assert values[-1] > values[0] and values[0] < 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_with_nan_is_refused(backend):
    f = line()
    update = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f).compile(backend=backend)
    batch = data()
    assert float(update(batch)["finite"]) == 1
    before, state = tensors({"f": f}), update.state_dict()["optimizers"]["0"]
    broken = {**batch, "y": torch.full((10,), float("nan"))}
    assert float(update(broken)["finite"]) == 0
    assert distance(before, tensors({"f": f})) == 0
    again = update.state_dict()["optimizers"]["0"]
    assert again["step"] == state["step"]
    assert torch.equal(again["state"][0]["exp_avg"], state["state"][0]["exp_avg"])
    assert float(update(batch)["finite"]) == 1
    assert distance(before, tensors({"f": f})) > 0


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "optimizer", [pr.Adam(0.1), pr.SGD(0.1, momentum=0.9), pr.RMSprop(0.1)], ids=lambda o: type(o).__name__
)
def test_a_gradient_that_overflows_is_refused(backend, optimizer):
    f = line()
    loss = pr.mean(pr.sqrt(pr.abs(f(x) * y)))  # where y is 0 the value is 0 and its gradient is none
    update = pr.Minimize(loss, wrt=f, optimizer=optimizer, max_grad_norm=0.5).compile(backend=backend)
    batch = {"x": torch.randn(4, 3), "y": torch.tensor([1.0, 1.0, 1.0, 0.0])}
    before = tensors({"f": f})
    found = update(batch)
    assert bool(found["loss"].isfinite()) and float(found["finite"]) == 0
    assert distance(before, tensors({"f": f})) == 0
    assert float(update({**batch, "y": torch.ones(4)})["finite"]) == 1
    assert 0 < distance(before, tensors({"f": f})) < 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_refused_update_leaves_the_others_of_its_unit_alone(backend):
    f, g = line("f"), line("g")
    z = pr.symbols("z")
    program = pr.Program(pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f), pr.Minimize(pr.mean((g(x) - z) ** 2), wrt=g))
    update = program.compile(backend=backend)
    before_f, before_g = tensors({"f": f}), tensors({"g": g})
    found = update({**data(), "z": torch.full((10,), float("inf"))})
    assert float(found["finite"]) == 0
    assert distance(before_f, tensors({"f": f})) > 0
    assert distance(before_g, tensors({"g": g})) == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_every(backend):
    f = line()
    program = pr.Program(
        pr.Every(3, pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f)), pr.Report(error=pr.mean(pr.abs(f(x) - y)))
    )
    update, batch = program.compile(backend=backend), data()
    seen = []
    for _ in range(7):
        before = tensors({"f": f})
        update(batch)
        seen.append(distance(before, tensors({"f": f})) > 0)
    assert seen == [False, False, True, False, False, True, False]


@pytest.mark.parametrize("backend", BACKENDS)
def test_assign(backend):
    m, n = pr.state("m", 1.0), pr.state("n")
    f = line()
    program = pr.Program(
        pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f), pr.Assign(m, 0.9 * m + 0.1 * pr.mean(y)),
        pr.Assign(n, pr.mean(y), when=pr.iteration < 2), pr.Report(m=m, n=n),
    )  # fmt: skip
    update = program.compile(backend=backend)
    expected, first = 1.0, 0.0
    for i in range(4):
        batch = data()
        found = update(batch)
        expected = 0.9 * expected + 0.1 * float(batch["y"].mean())
        first = float(batch["y"].mean()) if i < 2 else first
        assert float(found["m"]) == pytest.approx(expected, abs=1e-6)
        assert float(found["n"]) == pytest.approx(first, abs=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_running_value_does_not_take_what_is_not_finite(backend):
    y, m = pr.symbols("y"), pr.state("m", 1.5)
    update = pr.Program(pr.Assign(m, pr.mean(y)), pr.Report(m=m)).compile(backend=backend)
    for bad in (math.nan, math.inf):
        assert float(update({"y": torch.tensor([1.0, bad])})["m"]) == 1.5
    assert float(update({"y": torch.tensor([1.0, 2.0])})["m"]) == 1.5
    assert float(update({"y": torch.tensor([1.0, 3.0])})["m"]) == 2.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_copies_move_by_their_rule(backend):
    torch.manual_seed(0)
    f = line()
    loss = pr.mean((f(x) - y) ** 2 + 0 * (f.target(x) + f.ema(x) + f.old(x)) + 0.1 * (f(x) - f.reference(x)) ** 2)
    program = pr.Program(pr.Minimize(loss, wrt=f, optimizer=pr.SGD(0.1)), pr.Polyak(f.target, tau=0.25), pr.Polyak(f.ema, tau=1),
                         pr.Every(2, pr.Snapshot(f.old)))  # fmt: skip
    update = program.compile(backend=backend)
    start = tensors({"": f.net})
    target = dict(start)
    for i in range(4):
        before_old = {k: v.clone() for k, v in f.handle.copies.get("old", {}).items()}
        update(data())
        live, copies = tensors({"": f.net}), f.handle.copies
        target = {k: v + 0.25 * (live[k] - v) for k, v in target.items()}
        for name in copies["target"]:
            torch.testing.assert_close(copies["target"][name], target[f".{name}"], rtol=0, atol=1e-6)
            assert torch.equal(copies["ema"][name], live[f".{name}"])
            assert torch.equal(copies["reference"][name], start[f".{name}"])
            assert torch.equal(
                copies["old"][name], live[f".{name}"] if i % 2 else before_old.get(name, start[f".{name}"])
            )


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_share_of_a_copy_may_be_a_formula(backend):
    torch.manual_seed(0)
    f, m = line(), pr.state("m")
    loss = pr.mean((f(x) - y) ** 2 + 0 * f.target(x))
    share = pr.where(m < 2, 0.5 * pr.progress, pr.log(-m))  # of no number, the copy stays
    program = pr.Program(
        pr.Minimize(loss, wrt=f, optimizer=pr.SGD(0.1)), pr.Assign(m, m + 1), pr.Polyak(f.target, tau=share)
    )
    update = program.compile(backend=backend)
    target = {f".{k}": v.clone() for k, v in f.net.state_dict().items()}
    for progress, tau in ((0.5, 0.25), (0.8, 0.0), (1.0, 0.0)):
        update.progress = progress
        update(data())
        live = tensors({"": f.net})
        target = {k: v + tau * (live[k] - v) for k, v in target.items()}
        for name, copy in f.handle.copies["target"].items():
            torch.testing.assert_close(copy, target[f".{name}"])
    assert "parameters of[f̄] ← (1 - where(m < 2, 0.5 progress, log(-m)))" in program.text()


def test_roles_register_nothing():
    f = line()
    before = (list(dict(f.named_parameters())), list(f.state_dict()))
    pr.Program(pr.Minimize(pr.mean((f(x) - f.target(x) - y) ** 2), wrt=f), pr.Polyak(f.target)).compile(
        backend="eager"
    )(data())
    assert before == (list(dict(f.named_parameters())), list(f.state_dict()))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_frozen_role_passes_gradients_to_its_inputs_only(backend):
    torch.manual_seed(0)
    f, g = line("f"), pr.Deterministic("g | x", pr.mlp(3, 3), rank=1, name="g")
    program = pr.Program(pr.Minimize(pr.mean((f.frozen(g(x)) - y) ** 2), wrt=g))
    before_f, before_g = tensors({"f": f}), tensors({"g": g})
    program.compile(backend=backend)(data())
    assert distance(before_f, tensors({"f": f})) == 0 and distance(before_g, tensors({"g": g})) > 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_bounded_and_positive_parameters(backend):
    b, p = pr.parameter("b", 0.5, bounds=(0.4, 0.6)), pr.parameter("p", 0.5, positive=True)
    program = pr.Program(
        pr.Minimize(pr.mean(b * y), wrt=b, optimizer=pr.SGD(1.0)), pr.Minimize(pr.mean(p * y), wrt=p, optimizer=pr.SGD(1.0)),
        pr.Report(b_now=b, p_now=p),
    )  # fmt: skip
    update = program.compile(backend=backend)
    ones = {"y": torch.ones(4)}
    for _ in range(5):
        update(ones)
    # p falls by its logarithm: log p <- log p - p
    import math

    log_p = math.log(0.5)
    for _ in range(5):
        log_p -= math.exp(log_p)
    found = update({"y": torch.zeros(4)})
    assert float(found["b_now"]) == pytest.approx(0.4)
    assert float(found["p_now"]) == pytest.approx(math.exp(log_p), rel=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_schedules_are_formulas(backend):
    torch.manual_seed(0)
    f = line()
    program = pr.Program(
        pr.Minimize(
            pr.mean((f(x) - y) ** 2), wrt=f, optimizer=pr.SGD(0.1 * (1 - pr.progress)), max_grad_norm=0.5 + pr.iteration
        )
    )
    update, batch = program.compile(backend=backend), data()
    steps = []
    for progress in (0.0, 0.5, 1.0):
        update.progress = progress
        before = tensors({"f": f})
        loss = torch.func.functional_call(f.net, dict(f.net.named_parameters()), (batch["x"],)).squeeze(-1)
        grads = torch.autograd.grad(((loss - batch["y"]) ** 2).mean(), list(f.parameters()))
        norm = torch.sqrt(sum((g**2).sum() for g in grads))
        limit = 0.5 + update.iteration
        scale = min(1.0, limit / (float(norm) + 1e-6))
        found = update(batch)
        assert float(found["grad_norm"]) == pytest.approx(float(norm), rel=1e-5)
        for (name, now), g in zip(tensors({"f": f}).items(), grads, strict=True):
            torch.testing.assert_close(now, before[name] - 0.1 * (1 - progress) * scale * g, rtol=0, atol=1e-6)
        steps.append(distance(before, tensors({"f": f})))
    assert steps[2] == 0 < steps[1]
    assert update.iteration == 3


def test_reports_after_an_update_read_what_it_computed():
    f = line()
    error = pr.mean((f(x) - y) ** 2)
    update = pr.Program(pr.Minimize(error, wrt=f, optimizer=pr.SGD(0.1)), pr.Report(same=error)).compile(
        backend="eager"
    )
    found = update(data())
    assert torch.equal(found["loss"], found["same"])
    apart = pr.Program(
        pr.Minimize(error, wrt=f, optimizer=pr.SGD(0.1)), pr.Prepare(u=y + 0), pr.Report(later=error)
    ).compile(backend="eager")
    found = apart(data())
    assert float(found["later"]) < float(found["loss"])


def test_named_terms_are_metrics():
    f = line()
    fit, size = ((f(x) - y) ** 2).named("fit"), pr.abs(f(x)).named("size")
    found = pr.Minimize(pr.mean(fit + 0.1 * size), wrt=f).compile(backend="eager")(data())
    assert float(found["loss"]) == pytest.approx(float(found["fit"] + 0.1 * found["size"]), rel=1e-5)


def test_prepare_in_a_row_and_unpacked():
    f = line()
    prepare = pr.Prepare(u=f(x), v=2 * f(x))
    u, v = prepare
    program = pr.Program(
        prepare, pr.Minimize(pr.mean((f(x) - u - y) ** 2), wrt=f), pr.Report(difference=pr.mean(v - 2 * u))
    )
    assert float(program.compile(backend="eager")(data())["difference"]) == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_metrics_are_of_their_update_and_stay_so(backend):
    m, b = pr.state("m"), pr.parameter("b", 1.0)
    program = pr.Program(
        pr.Minimize(pr.mean(b * y), wrt=b, optimizer=pr.SGD(0.5)), pr.Report(before=b, held=pr.stop_gradient(b)),
        pr.Assign(m, m + 1), pr.Report(after=b, m=m),
    )  # fmt: skip
    update = program.compile(backend=backend)
    seen = [update({"y": torch.ones(3)}) for _ in range(3)]
    assert [float(s["before"]) for s in seen] == [1.0, 0.5, 0.0] == [float(s["held"]) for s in seen]
    assert [float(s["after"]) for s in seen] == [0.5, 0.0, -0.5]
    assert [float(s["m"]) for s in seen] == [1, 2, 3]


def test_an_update_runs_where_gradients_are_off():
    torch.manual_seed(0)
    s, y = pr.symbols("s y")
    f = pr.Deterministic("f | s", pr.mlp(3, 8, 1))
    update = pr.Minimize(pr.mean((f(s) - y) ** 2), wrt=f).compile(backend="eager")
    before = f.net[0].weight.detach().clone()
    with torch.no_grad():
        metrics = update({"s": torch.randn(4, 3), "y": torch.randn(4)})
    assert float(metrics["finite"]) == 1 and not torch.equal(before, f.net[0].weight)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_draw_is_one_value_in_all_steps_of_a_run(backend):
    p, f = pr.Normal("u | x", pr.mlp(3, 2), rank=0, name="p"), line()
    u = p(x).draw()
    prepare = pr.Prepare(w=u)
    (w,) = prepare
    fit = pr.Fit(pr.Minimize(pr.mean((f(x) - u) ** 2), wrt=f), pr.Report(inside=pr.mean(u)), epochs=2)
    program = pr.Program(pr.Report(first=pr.mean(u)), prepare, pr.Every(1, pr.Report(second=pr.mean(u))), fit,
                         pr.Report(gap=pr.mean(pr.abs(u - w)), third=pr.mean(u)))  # fmt: skip
    update, batch = program.compile(backend=backend, seed=0), data()
    one, two = update(batch), update(batch)
    for found in (one, two):
        assert float(found["first"]) == float(found["second"]) == float(found["third"])
        assert float(found["gap"]) == 0
        assert float(found["inside"]) != float(found["first"])  # a Fit draws anew for each minibatch
    assert float(one["first"]) != float(two["first"])


def test_two_losses_that_move_the_same_are_named_apart():
    x = pr.symbols("x", rank=1)
    f = pr.Deterministic("f | x", pr.mlp(3, 1))
    program = pr.Program(pr.Minimize(pr.mean(f(x) ** 2), wrt=f), pr.Minimize(pr.mean(pr.abs(f(x))), wrt=f))
    metrics = program.compile(backend="eager")({"x": torch.randn(4, 3)})
    assert {"loss_f", "loss_f_2"} <= set(metrics)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("share", [1.5, -0.5])
def test_a_share_that_is_none_moves_no_copy(backend, share):
    f = line()
    loss = pr.mean((f(x) - y) ** 2 + 0 * f.target(x))
    update = pr.Program(pr.Minimize(loss, wrt=f), pr.Polyak(f.target, tau=share + 0 * pr.progress)).compile(
        backend=backend
    )
    start = {k: v.clone() for k, v in f.net.state_dict().items()}
    update(data())
    for name, copy in f.handle.copies["target"].items():
        assert torch.equal(copy, start[name]) and not torch.equal(f.net.state_dict()[name], start[name])

"""Laws of every generative model, found by walking the package: one surface, and what a model lacks is refused by name."""

import importlib
import inspect
import pkgutil
from copy import deepcopy

import pytest
import torch

import probrl as pr
from probrl import generative
from probrl.distributions.base import Distribution
from probrl.errors import DataError, ExpressionError


def families():
    found = {}
    for module in pkgutil.iter_modules(generative.__path__):
        for name, thing in vars(importlib.import_module(f"probrl.generative.{module.name}")).items():
            own = inspect.isclass(thing) and thing.__module__ == f"probrl.generative.{module.name}"
            if own and issubclass(thing, Distribution) and name not in ("Model", "Guided"):
                found[name] = thing
    return found


FAMILIES = families()
s, a = pr.symbols("s a")


@pytest.fixture(params=FAMILIES, ids=str)
def model(request):
    torch.manual_seed(0)
    return FAMILIES[request.param].example()


@pytest.fixture
def batch(model):
    torch.manual_seed(1)
    discrete = isinstance(model, pr.DiscreteFlow)
    return {"s": torch.randn(6, 3), "a": torch.randint(0, 4, (6, 3)) if discrete else torch.randn(6, 3)}


def trains(model):
    return not isinstance(model, pr.EnergyGuided)


def test_all_are_found():
    assert {"Diffusion", "Flow", "Bridge", "DiscreteFlow", "ConsistencyModel", "MeanFlow", "EnergyGuided"} <= set(
        FAMILIES
    )
    assert all(getattr(pr, name) is family for name, family in FAMILIES.items())


def test_the_docstring_says_what_it_is(model):
    doc = inspect.getdoc(type(model))
    assert all(
        part in doc for part in (".. math::", "Source:", "Example:", "Args:" if "Arguments are" not in doc else "")
    )


def test_the_error_is_one_number_per_row_and_runs_as_printed(model, batch, foreign_commands):
    if not trains(model):
        with pytest.raises(ExpressionError, match="train"):
            model(s).matching(a)
        return
    error = model(s).matching(a)
    assert error(batch).shape == (6,)
    loss = pr.mean(error)
    loss.check(batch)
    assert foreign_commands(loss.latex()) == [] and "matching" in loss.text()


def test_one_update_moves_it(model, batch):
    if not trains(model):
        return
    before = {k: v.clone() for k, v in model.state_dict().items()}
    steps = [pr.Minimize(pr.mean(model(s).matching(a)), wrt=model), pr.Polyak(model.ema, tau=0.5)]
    if not isinstance(model, pr.ConsistencyModel):
        steps.append(pr.Report(other=pr.mean(model.ema(s).matching(a))))
    metrics = pr.Program(*steps).compile(backend="eager", seed=0)(batch)
    assert float(metrics["finite"]) == 1
    assert any(not torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert set(before) == set(model.state_dict())


def test_samples_keep_the_order_of_their_conditions(model, batch):
    drawn = model.sample({"s": batch["s"]}, n=2, generator=torch.Generator().manual_seed(0))
    again = model.sample({"s": batch["s"]}, n=2, generator=torch.Generator().manual_seed(0))
    assert drawn["a"].shape == (12, 3) and torch.equal(drawn["s"], batch["s"].repeat_interleave(2, 0))
    assert torch.equal(drawn["a"], again["a"]) and drawn["a"].isfinite().all()
    states = model.sample({"s": batch["s"]}, steps=2, trajectory=True)["a"]
    assert states.shape == (3, 6, 3)
    assert model.sample({"s": batch["s"]}, sample_shape=[4])["a"].shape == (4, 6, 3)


def test_a_copy_and_a_role_draw_the_same(model, batch):
    draw = lambda m: m.sample({"s": batch["s"]}, generator=torch.Generator().manual_seed(0))["a"]  # noqa: E731
    assert torch.equal(draw(model), draw(deepcopy(model)))
    if model.function is None:
        assert torch.equal(draw(model), draw(model.ema))


def test_draws_are_expressions(model, batch):
    assert model(s).draw()(batch).shape == (6, 3)
    many = model(s).draw(5, "k", steps=2)
    assert sorted(many(batch).shape) == [3, 5, 6]
    assert many.text() and many.latex()


@pytest.mark.parametrize("quantity", ["score", "noise", "data", "velocity"])
def test_predictions_exist_or_are_refused_by_name(model, batch, quantity):
    rows = {"s": batch["s"], "x_t": batch["a"], "t": torch.linspace(0.2, 0.8, 6)}
    try:
        found = getattr(model(s), quantity)(*pr.symbols("x_t t"))(rows)
    except ExpressionError as refusal:
        assert model.notation in str(refusal) and "ask" in str(refusal)
    else:
        assert found.isfinite().all() and found.shape[0] == 6


def test_the_log_probability_exists_or_is_refused_by_name(model, batch):
    try:
        found = model.log_prob(batch, exact=True, solver=pr.solvers.RK4(2))
    except ExpressionError as refusal:
        assert model.notation in str(refusal)
    else:
        assert found.shape == (6,) and found.isfinite().all()


@pytest.mark.parametrize(
    ("wrong", "kind", "pattern"),
    [
        (lambda m, b: m.sample({}), DataError, "condition 's'"),
        (lambda m, b: m.sample({"s": b["s"]}, steps=0), DataError, "steps"),
        (lambda m, b: m.sample({"s": b["s"]}, solver="heun"), ExpressionError, "solver|heun"),
        (lambda m, b: m.sample({"s": b["s"]}, start=torch.zeros(5, 3)), DataError, "start"),
        (lambda m, b: m(s).draw(3), ExpressionError, "go together"),
        (lambda m, b: m.matching(a), ExpressionError, "apply it first|matching"),
        (lambda m, b: m.sample({"s": b["s"]}, sample_mean=True), ExpressionError, "mean"),
    ],
    ids=["condition", "steps", "solver", "start", "axis", "unapplied", "mean"],
)  # fmt: skip
def test_wrong_use_is_refused(model, batch, wrong, kind, pattern):
    with pytest.raises(kind, match=pattern):
        wrong(model, batch)


def test_a_sample_is_part_of_a_graph_that_a_user_compiles(model, batch):
    """Whole, also by a solver that is made inside; weights that move afterwards are the new ones."""
    start = None if isinstance(model, pr.DiscreteFlow) else torch.randn(6, 3)
    given = None if isinstance(model, (pr.DiscreteFlow, pr.ConsistencyModel, pr.MeanFlow)) else "heun"

    def draw(s):
        solver = None if given is None else pr.solvers.Heun(3, grid="quadratic")
        return model.sample({"s": s}, start=start, solver=solver)["a"] + 0

    torch.compiler.reset()
    traced = torch.compile(draw, fullgraph=True, backend="eager")
    for _ in range(2):
        found = []
        for f in (traced, draw):
            torch.manual_seed(1)
            found.append(f(batch["s"]))
        assert torch.equal(*found)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.05)

"""What is wrong is refused by name, by every model that there is: data, conditions, times, solvers, options, shapes."""

import pytest
import torch

import probrl as pr
from probrl.errors import DataError, ExpressionError
from probrl.networks import TimeMLP, UNet2d
from tests.laws.test_generative_models import FAMILIES

S = pr.solvers
s, a, t = pr.symbols("s a t")
ALONG_A_FLOW = {"Diffusion", "Flow", "Bridge", "EnergyGuided", "MeanFlow"}


@pytest.fixture(params=FAMILIES, ids=str)
def model(request):
    torch.manual_seed(0)
    return FAMILIES[request.param].example()


@pytest.fixture
def batch(model):
    discrete = isinstance(model, pr.DiscreteFlow)
    return {"s": torch.randn(6, 3), "a": torch.randint(0, 4, (6, 3)) if discrete else torch.randn(6, 3)}


@pytest.mark.parametrize(
    ("options", "kind", "pattern"),
    [
        ({"n": 0}, DataError, r"n=0\): .*whole number from 1 on"),
        ({"n": -1}, DataError, r"n=-1\)"),
        ({"n": 2.5}, DataError, r"n=2.5\)"),
        ({"steps": 0}, DataError, "steps is a whole number"),
        ({"stpes": 3}, ExpressionError, "did you mean steps="),
        ({"grid": [0.1, 0.9]}, DataError, "the times fall"),
        ({"grid": "fine"}, DataError, "a grid is a sequence of times"),
        ({"grid": [1.2, 0.0]}, DataError, r"in \[0, 1\]"),
        ({"start": torch.full((6, 3), float("nan"))}, DataError, "'start' holds NaN or infinity in 6 of its 6 rows"),
        ({"start": torch.zeros(5, 3)}, DataError, "start has the shape"),
        ({"known": torch.zeros(3)}, DataError, r"a pair \(mask, value\)"),
        ({"known": (torch.ones(2), torch.zeros(3))}, DataError, r"the mask has the shape \(2,\)"),
        ({"known": (torch.ones(3), torch.zeros(5, 3))}, DataError, r"the value has the shape \(5, 3\)"),
        ({"known": (torch.ones(3), torch.full((3,), float("nan")))}, DataError, "'value' holds NaN"),
    ],
    ids=str,
)  # fmt: skip
def test_samplers_refuse(model, batch, options, kind, pattern):
    with pytest.raises(kind, match=pattern):
        model.sample({"s": batch["s"]}, **options)


def test_conditions_that_are_no_numbers_are_refused_with_their_rows(model, batch):
    batch["s"][[1, 4], 0] = torch.tensor([float("nan"), float("inf")])
    with pytest.raises(DataError, match="'s' holds NaN or infinity in 2 of its 6 rows"):
        model.sample({"s": batch["s"]})


def test_no_condition_is_no_sample(model, batch):
    assert model.sample({"s": batch["s"][:0]})["a"].shape == (0, 3)


def test_solvers_that_do_not_fit_are_refused(model, batch):
    """What a model goes along decides: a solver either draws finite values or is refused by its name."""
    for solver in (S.DPM(3), S.DDIM(3), S.Heun(3), S.EulerMaruyama(3), S.Adaptive(rtol=1e-3, atol=1e-3)):
        try:
            found = model.sample({"s": batch["s"]}, solver=solver)["a"]
        except ExpressionError as refusal:
            assert model.notation in str(refusal) and solver.said in str(refusal)
        else:
            assert found.isfinite().all() and type(model).__name__ in ALONG_A_FLOW
    if isinstance(model, (pr.Bridge, pr.ConsistencyModel, pr.DiscreteFlow)):
        with pytest.raises(ExpressionError, match="DPM 3"):
            model.sample({"s": batch["s"]}, solver=S.DPM(3))


def test_times_outside_are_refused(model, batch):
    asked = [lambda: model(s).data(a, 1.5)]
    if type(model).__name__ in ("Diffusion", "Flow", "Bridge", "DiscreteFlow"):
        asked.append(lambda: model(s).matching(a, t=-0.5))
    if not isinstance(model, (pr.ConsistencyModel, pr.DiscreteFlow)):
        asked.append(lambda: model(s).score(a, 1.01))
    if isinstance(model, pr.ConsistencyModel):
        asked = [lambda: model(s).matching(a, t=1.5, t_next=0.5)]
    for ask in asked:
        with pytest.raises(DataError, match=r"outside \[0, 1\]"):
            ask()


def test_a_batch_without_rows_moves_nothing(model, batch):
    """Whatever stands between the columns and the loss: its mean is of nothing, and the update is refused."""
    if isinstance(model, pr.EnergyGuided) or model.function is not None:
        return
    before = [p.clone() for p in model.parameters()]
    step = pr.Program(pr.Minimize(pr.mean(model(s).matching(a)), wrt=model), pr.Polyak(model.ema, tau=0.1))
    found = step.compile(backend="eager", seed=0)({k: v[:0] for k, v in batch.items()})
    assert float(found["finite"]) == 0
    assert all(map(torch.equal, before, model.parameters()))


@pytest.mark.parametrize("how", ["ot", "entropic"])
def test_nobody_is_paired_with_nobody(how):
    x, y = pr.symbols("x y", rank=1)
    bridge = pr.Bridge("x", TimeMLP(2, hidden=(4,)), TimeMLP(2, hidden=(4,)), coupling=how)
    empty = {"x": torch.zeros(0, 2), "y": torch.zeros(0, 2)}
    assert bridge.matching(x, start=y)(empty).shape == (0,)


def test_columns_of_times_are_looked_at(model, batch):
    batch["t"] = torch.tensor([0.0, 0.5, 1.0, 1.5, -0.1, float("nan")])
    with pytest.raises(DataError, match=r"the batch's 't' is a time.*3 of 6 are outside"):
        model(s).data(a, t)(batch)


def test_data_that_are_no_numbers_have_no_density(model, batch):
    if type(model).__name__ in ALONG_A_FLOW:
        batch["a"][2, 0] = float("nan")
        with pytest.raises(DataError, match="'a' holds NaN or infinity in 1 of its 6 rows"):
            model.log_prob(batch, exact=True, solver=S.RK4(2))


@pytest.mark.parametrize("wrong", ["kernel", "chain", "score", "velocity", "noise"])
def test_tokens_do_not_move(wrong):
    p = pr.DiscreteFlow.example()
    with pytest.raises(ExpressionError, match="tokens do not move"):
        getattr(p(s), wrong)(a, t)


@pytest.mark.parametrize("tokens", [torch.full((6, 3), 7), torch.full((6, 3), -1), torch.full((6, 3), 0.5)], ids=str)
def test_other_tokens_are_refused_with_the_classes(tokens):
    p = pr.DiscreteFlow.example()
    with pytest.raises(DataError, match="whole numbers from 0 to 3"):
        pr.mean(p(s).matching(a, t=1e-4, u=pr.symbols("u")))(
            {"s": torch.randn(6, 3), "a": tokens, "u": torch.zeros(6, 3)}
        )


# --- declarations ------------------------------------------------------------------------------------------------
NET, TIMED = TimeMLP(2, hidden=(4,)), TimeMLP(2, condition=1, hidden=(4,))
DECLARED = {
    "weight": (lambda: pr.Diffusion("x", NET, weight="snr"), "weight='snr'; there are 'score', 'noise'"),
    "law": (lambda: pr.Flow("x", NET, law="normal"), "law='normal'; there are 'uniform'"),
    "law of a bridge": (lambda: pr.Bridge("x", NET, NET, law="edm"), "law='edm'; there are 'arcsine', 'uniform'"),
    "law of one loss": (lambda: pr.Bridge("x", NET, NET).matching(a, law="likelihood"), "law='likelihood': the laws"),
    "law of tokens": (
        lambda: pr.DiscreteFlow("x", NET, classes=2, event_shape=(2,), law="likelihood"),
        "law='likelihood'; there are 'uniform', 'logit_normal', 'arcsine'",
    ),
    "path": (lambda: pr.Diffusion("x", NET, path="linear"), r"path='linear' is no path; .*pr.paths.Linear\(\)"),
    "class of a path": (lambda: pr.Diffusion("x", NET, path=pr.paths.Linear), "is no path"),
    "solver": (lambda: pr.Flow("x", NET, solver="heun"), "solver='heun' is no solver"),
    "solver of a bridge": (lambda: pr.Bridge("x", NET, NET, solver=S.DPM(5)), "DPM 5 goes by the signal-to-noise ratio"),
    "solver of jumps": (lambda: pr.ConsistencyModel("x", NET, solver=S.Heun(5)), "Heun 5 goes along a flow"),
    "coupling": (lambda: pr.Flow("x", NET, coupling="OT"), "coupling='OT'; there are 'independent', 'ot'"),
    "coupling of a bridge": (lambda: pr.Bridge("x", NET, NET, coupling="sinkhorn"), "coupling='sinkhorn'"),
    "shape": (lambda: pr.Flow("x", NET, event_shape=(2, 0)), r"event_shape=\(2, 0\) of 'x': whole numbers from 1 on"),
    "real shape": (lambda: pr.Flow("x", NET, event_shape=(2.0,)), "whole numbers from 1 on"),
    "drop": (lambda: pr.Flow("x | s", NET, drop=1.0), r"drop=1.0; a share in \[0, 1\)"),
    "spread": (lambda: pr.MeanFlow("x", TIMED, spread=2.0), r"spread=2.0; a share in \[0, 1\]"),
    "huber": (lambda: pr.ConsistencyModel("x", NET, huber=-1.0), "huber=-1.0"),
    "class of a network": (lambda: pr.Diffusion("x", TimeMLP), "the class TimeMLP"),
    "function of tensors": (
        lambda: pr.Diffusion("x", lambda x_t, t, condition: x_t),
        r"takes expressions, one for each of \(x_t, t\); .*torch module",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", DECLARED)
def test_what_is_declared_wrongly_is_said_where_it_is_declared(wrong):
    declare, pattern = DECLARED[wrong]
    with pytest.raises(ExpressionError, match=pattern):
        declare()


def test_a_whole_number_is_the_shape_of_a_vector():
    assert pr.Flow("x", NET, event_shape=2).shape == (2,)
    assert pr.Flow("x, y", NET, event_shape={"x": 1, "y": (1, 1)}).shapes == {"x": (1,), "y": (1, 1)}


# --- shapes --------------------------------------------------------------------------------------------------------
class Convolution(torch.nn.Module):
    """A user's image network, which says nothing of its shape."""

    def __init__(self):
        super().__init__()
        self.time, self.conv = torch.nn.Linear(1, 2), torch.nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x, t, condition):
        return self.conv(x + self.time(t[:, None])[:, :, None, None])


@pytest.mark.parametrize("family", [pr.Diffusion, pr.Flow, pr.ConsistencyModel])
def test_the_shape_is_read_off_a_network_that_says_it(family):
    image = pr.symbols("x")
    mu = family("x", UNet2d((1, 4, 4), width=8, levels=(1,)))
    assert mu.shape == (1, 4, 4) and mu.rank == 3
    assert pr.mean(mu.matching(image))({"x": torch.randn(2, 1, 4, 4)}).shape == ()
    assert mu.sample(n=2, steps=1)["x"].shape == (2, 1, 4, 4)


@pytest.mark.parametrize("family", [pr.Diffusion, pr.Flow, pr.Bridge, pr.ConsistencyModel, pr.MeanFlow])
def test_a_network_of_convolutions_needs_the_shape(family):
    with pytest.raises(ExpressionError, match=r"Convolution ends in a convolution.*event_shape="):
        family("x", Convolution())
    assert family("x", Convolution(), event_shape=(2, 3, 3)).shape == (2, 3, 3)


def test_a_condition_of_images_does_not_make_the_value_one():
    class Seeing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(2 + 2 + 1, 2)

        def forward(self, x, t, image):
            return self.out(torch.cat([x, t[:, None], self.conv(image).mean((2, 3))], 1))

    mu = pr.Flow("a | o", Seeing())
    assert mu.sample({"o": torch.randn(3, 1, 5, 5)}, n=2)["a"].shape == (6, 2)


def test_the_shape_that_is_needed_is_said_where_a_network_gives_another():
    mu = pr.Diffusion("x", TimeMLP(4, hidden=(8,)), event_shape=(2,))
    with pytest.raises(DataError, match="shape"):
        mu.sample(n=3)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"EnergyGuided"}))  # which takes a model
@pytest.mark.parametrize(
    "network", [torch.nn.Linear(3, 3), torch.nn.Sequential(torch.nn.Linear(3, 3))], ids=["one", "stack"]
)
def test_a_network_of_other_arguments_is_refused_where_it_is_declared(family, network):
    with pytest.raises(ExpressionError, match=rf"{type(network).__name__} takes .*net\(x_t, t, condition\)"):
        FAMILIES[family]("a | s", network, event_shape=(3,), **({"classes": 4} if family == "DiscreteFlow" else {}))


@pytest.mark.parametrize(
    "path", [pr.paths.GVP(), pr.paths.CosineVP(), pr.paths.Linear()], ids=lambda p: type(p).__name__
)
@pytest.mark.parametrize(
    "solver", [S.DDIM(4), S.Heun(4), S.DPM(4), S.Adaptive(), S.EulerMaruyama(4)], ids=lambda x: x.said
)
def test_grids_to_an_end_where_nothing_of_the_data_is_left_are_refused(path, solver):
    """Where alpha is 0, or as good as 0, what the noise says of the data is divided by it."""
    model = pr.Diffusion("x", TimeMLP(2, hidden=(4,)), path=path)
    with pytest.raises(DataError, match=r"stay off it, as in .* 0.999 for 1"):
        model.sample(n=3, solver=solver, grid=[1.0, 0.5, 0.0])
    assert bool(model.sample(n=3, solver=solver, grid=[0.999, 0.5, 0.001])["x"].isfinite().all())

"""Everything at once, on every kind of model: several variables, images, nested conditions, guidance, averages, inpainting, doubles."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import probrl as pr
from probrl.errors import DataError

S = pr.solvers
u, w, x, o = pr.symbols("u w x o")
SHAPES = {"u": (2,), "w": (1, 2, 2)}


class Several(nn.Module):
    """Of a vector and an image, under a nested condition, in whatever it is told besides."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(6 + 4, 6)

    def forward(self, x, t, condition):
        given = condition.get("o", condition)
        parts = [x["u"], x["w"].flatten(1), t[:, None], given["p"], given["q"]["r"], condition.get("r", t)[:, None]]
        out = self.line(torch.cat(parts, 1))
        return {"u": out[:, :2], "w": out[:, 2:].reshape(-1, 1, 2, 2)}


class Image(nn.Module):
    """Of an image, under a nested condition."""

    event_shape = (1, 4, 4)

    def __init__(self):
        super().__init__()
        self.conv, self.line = nn.Conv2d(1, 1, 3, padding=1), nn.Linear(3, 1)

    def forward(self, x, t, condition):
        given = condition.get("o", condition)
        shift = self.line(torch.cat([given["p"], given["q"]["r"], t[:, None]], 1))
        return self.conv(x) + shift[:, :, None, None]


def given(rows):
    return {"p": torch.randn(rows, 1), "q": {"r": torch.randn(rows, 1)}}


JOINT = {
    family.__name__: lambda family=family, **more: family("u, w | o", Several(), event_shape=SHAPES, drop=0.2, **more)
    for family in (pr.Diffusion, pr.Flow, pr.ConsistencyModel, pr.MeanFlow)
} | {"Flow ot": lambda: pr.Flow("u, w | o", Several(), event_shape=SHAPES, drop=0.2, coupling="ot")}
IMAGES = {
    family.__name__: lambda family=family: family("x | o", Image(), drop=0.2)
    for family in (pr.Diffusion, pr.Flow, pr.ConsistencyModel, pr.MeanFlow)
} | {"Bridge": lambda: pr.Bridge("x | o", Image(), Image(), drop=0.2)}


def trained(model, batch, backend="eager"):
    values = [pr.symbols(v) for v in model.declaration.variables]
    steps = pr.Minimize(pr.mean(model(o).matching(*values)), wrt=model), pr.Polyak(model.ema, tau=0.1)
    return pr.Program(*steps).compile(backend=backend, seed=0)(batch)


def wide(value):
    return {k: wide(v) for k, v in value.items()} if isinstance(value, dict) else value.double()


@pytest.mark.parametrize("kind", JOINT)
def test_several_variables_under_nested_conditions(kind):
    torch.manual_seed(0)
    model = JOINT[kind]()
    batch = {"o": given(5), "u": torch.randn(5, 2), "w": torch.randn(5, 1, 2, 2)}
    pr.mean(model(o).matching(u, w)).check(batch)
    assert float(trained(model, batch)["finite"]) == 1
    for role in (model, model.ema):
        drawn = role.sample({"o": batch["o"]}, n=2)
        assert drawn["u"].shape == (10, 2) and drawn["w"].shape == (10, 1, 2, 2)
        assert torch.equal(drawn["o"]["q"]["r"], batch["o"]["q"]["r"].repeat_interleave(2, 0))
    states = model.sample({"o": batch["o"]}, steps=2, trajectory=True)
    assert states["u"].shape == (3, 5, 2) and states["w"].shape == (3, 5, 1, 2, 2)
    known = {"u": torch.ones(2), "w": torch.zeros(1, 2, 2)}, {"u": batch["u"], "w": batch["w"]}
    assert torch.equal(model.sample({"o": batch["o"]}, known=known, steps=2)["u"], batch["u"])
    with pytest.raises(DataError, match="start lacks 'w'"):
        model.sample({"o": batch["o"]}, start={"u": batch["u"]})
    with pytest.raises(DataError, match="the mask lacks 'w'"):
        model.sample({"o": batch["o"]}, known=({"u": known[0]["u"]}, known[1]))
    double = copy.deepcopy(model).double()
    assert double.sample({"o": wide(batch["o"])}, start=batch | {"o": None}, steps=2)["w"].dtype is torch.float64
    assert float(trained(double, wide(batch))["finite"]) == 1


@pytest.mark.parametrize("kind", IMAGES)
def test_images_under_nested_conditions(kind):
    torch.manual_seed(0)
    model = IMAGES[kind]()
    batch = {"o": given(4), "x": torch.randn(4, 1, 4, 4)}
    assert model.shape == (1, 4, 4)
    assert float(trained(model, batch, "aot_eager")["finite"]) == 1
    mask = torch.arange(16).view(1, 4, 4) < 8
    drawn = model.ema.sample({"o": batch["o"]}, known=(mask, batch["x"]), steps=2)["x"]
    assert torch.equal(drawn[:, mask], batch["x"][:, mask]) and not torch.equal(drawn, batch["x"])
    if isinstance(model, (pr.Diffusion, pr.Flow)):
        led = model.guided(2.0)
        z = torch.randn(4, 1, 4, 4)
        once = led.sample({"o": batch["o"]}, start=z, solver=S.Heun(2))["x"]
        again = led.sample({"o": batch["o"]}, start=z.double(), solver=S.Heun(2))["x"]
        assert torch.equal(once, again) and not torch.equal(
            once, model.sample({"o": batch["o"]}, start=z, steps=2)["x"]
        )
        assert led.log_prob(batch, exact=True, solver=S.RK4(1)).shape == (4,)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (3.0, "'o' is a float"),
        ([1, 2], r"'o\[0\]' is a int"),
        ({"p": torch.zeros(4, 1).numpy(), "q": {"r": torch.zeros(4, 1)}}, r"'o\['p'\]' is a ndarray"),
        ({"p": torch.zeros(4, 1), "q": {"r": torch.zeros(2, 1)}}, r"different lengths: o\['p'\] 4, o\['q'\]\['r'\] 2"),
        ({"p": torch.zeros(4, 1), "q": {"r": torch.tensor(1.0)}}, "is one number"),
        ({"p": torch.zeros(4, 1), "q": {"r": torch.full((4, 1), float("nan"))}}, "'o' holds NaN"),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kind", IMAGES)
def test_conditions_that_are_none_are_named_down_to_their_entries(kind, wrong, said):
    with pytest.raises(DataError, match=said):
        IMAGES[kind]().sample({"o": wrong})


def test_an_inpainted_bridge_takes_its_start_into_account():
    """What is known is on the way between its value and where it began: no noise at either end."""
    seen = []

    class Watching(nn.Module):
        event_shape = (1,)

        def forward(self, x, t, condition):
            seen.append((float(t[0]), x.clone()))
            return torch.zeros_like(x)

    bridge = pr.Bridge("x", Watching(), Watching(), sigma=1e-6)
    start, value = torch.full((3, 1), 5.0), torch.full((3, 1), -1.0)
    bridge.sample(start=start, known=(torch.ones(1), value), solver=S.Euler(8))
    for t, state in seen:
        torch.testing.assert_close(state, (1 - t) * value + t * start, atol=1e-4, rtol=0)


def test_starts_and_numbers_of_draws_as_people_have_them():
    flow = pr.Flow("x", pr.networks.TimeMLP(2, hidden=(4,)))
    start = torch.tensor([[0.5, -1.0]])
    expected = flow.sample(start=start)["x"]
    for same in ([[0.5, -1.0]], start.numpy(), start.double().numpy()):
        assert torch.equal(flow.sample(start=same)["x"], expected)
    assert flow.sample(n=np.int64(3))["x"].shape == (3, 2)


@pytest.mark.parametrize("kind", [*JOINT, *IMAGES])
def test_columns_in_double_precision_are_taken_by_a_network_in_single(kind):
    """Columns that come from numpy are double; a user's own layers take them as the shipped networks do."""
    torch.manual_seed(0)
    joint = kind in JOINT
    model = (JOINT if joint else IMAGES)[kind]()
    values = {"u": torch.randn(4, 2), "w": torch.randn(4, 1, 2, 2)} if joint else {"x": torch.randn(4, 1, 4, 4)}
    batch = {"o": given(4), **values}
    assert float(trained(model, wide(batch))["finite"]) == 1
    assert float(trained(model, {**batch, "o": wide(batch["o"])})["finite"]) == 1
    drawn = model.sample({"o": wide(batch["o"])}, steps=1)
    assert drawn[next(iter(values))].dtype == torch.float32
    twin = copy.deepcopy(model).double()
    assert twin.sample({"o": batch["o"]}, steps=1)[next(iter(values))].dtype == torch.float64


def test_tokens_take_conditions_in_double_precision():
    p = pr.DiscreteFlow.example()
    s, a = pr.symbols("s a")
    batch = {"s": torch.randn(4, 3).double(), "a": torch.randint(0, 4, (4, 3))}
    assert bool(pr.mean(p(s).matching(a))(batch).isfinite())
    assert p.sample({"s": batch["s"]})["a"].shape == (4, 3)

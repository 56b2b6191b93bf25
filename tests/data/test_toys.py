"""Built-in data: laws of every set, found by walking, and what is special to one."""

from __future__ import annotations

import importlib.util
import math
import sys

import pytest
import torch
from scipy import integrate

from probrl.data import toys
from probrl.errors import DataError, MissingExtraError

PLANAR = [name for name in toys.names() if toys.toy(name).event_shape == (2,)]
needs_images = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed")
each = pytest.mark.parametrize("name", [pytest.param(n, marks=[needs_images] * (n == "digits")) for n in toys.names()])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@each
def test_samples_are_float32_of_the_stated_shapes_and_scale(name):
    data = toys.toy(name)
    batch = data.columns(4000, generator())
    assert batch["x"].shape == (4000, *data.event_shape) and batch["c"].shape == (4000, data.condition_size)
    assert all(v.dtype is torch.float32 and v.isfinite().all() for v in batch.values())
    if name in PLANAR:
        assert (batch["x"].mean(0).abs() < 0.35).all() and (batch["x"].abs() < 3).float().mean() > 0.999
        assert ((batch["x"].std(0) > 0.6) & (batch["x"].std(0) < 1.5)).all()


@each
def test_the_generator_decides(name):
    data = toys.toy(name)
    assert torch.equal(data.sample(50, generator(1)), data.columns(50, generator(1))["x"])
    assert not torch.equal(data.sample(50, generator(1)), data.sample(50, generator(2)))
    state = torch.get_rng_state()
    data.sample(5, generator())
    assert torch.equal(torch.get_rng_state(), state)
    assert data.sample(1).shape == (1, *data.event_shape)


@each
def test_the_condition_splits_the_data(name):
    """Points of one class are closer to their own mean than those of all are, or the condition is a position."""
    data = toys.toy(name)
    batch = data.columns(4000, generator())
    if data.condition_size == 1:
        assert (batch["c"].abs() <= 1).all()
        return
    assert torch.equal(batch["c"].sum(1), torch.ones(4000)) and batch["c"].mean(0).min() > 0.5 / data.condition_size
    together = torch.cdist(batch["x"].flatten(1), batch["x"].flatten(1))
    own = batch["c"] @ batch["c"].T
    assert (together * own).sum() / own.sum() < 0.97 * together.mean()


@each
@pytest.mark.parametrize("n", [0, -1, 2.0, True, "3"])
def test_refuses_what_is_no_number_of_points(name, n):
    with pytest.raises(DataError, match="one point or more"):
        toys.toy(name).sample(n)


def test_unknown_names_and_fields_are_refused():
    with pytest.raises(DataError, match="did you mean 'swiss_roll'"):
        toys.toy("swissroll")
    with pytest.raises(DataError, match="no field 'nose'; did you mean 'noise'"):
        toys.toy("two_moons", nose=0.1)
    with pytest.raises(DataError, match="noise is a finite number from 0 on"):
        toys.toy("two_moons", noise=-0.1)
    with pytest.raises(DataError, match="arms is a positive whole number"):
        toys.Spirals(arms=0)
    with pytest.raises(DataError, match="positive even number"):
        toys.Checkerboard(cells=3)


def test_noiseless_curves_are_where_the_formulas_put_them():
    batch = toys.SwissRoll(noise=0).columns(200, generator())
    x, c = batch["x"].double(), batch["c"].double().squeeze(1)
    torch.testing.assert_close(x.norm(dim=1), 2 / 3 * (2 + c), atol=1e-5, rtol=0)
    turn = torch.atan2(x[:, 1], x[:, 0]) - 1.5 * math.pi * (2 + c)
    torch.testing.assert_close(turn.cos(), torch.ones(200, dtype=torch.float64), atol=1e-5, rtol=0)
    x, c = toys.TwoMoons(noise=0).columns(200, generator()).values()
    centre = torch.tensor([2 / 3, 1 / 3]) * (c[:, 1:] - c[:, :1])
    torch.testing.assert_close((x - centre).norm(dim=1), torch.full((200,), 4 / 3))
    x, c = toys.Rings(circles=3, noise=0).columns(200, generator()).values()
    torch.testing.assert_close(x.norm(dim=1), c @ torch.tensor([0.8, 1.6, 2.4]))


def test_the_board_is_filled_evenly():
    x, c = toys.Checkerboard().columns(8000, generator()).values()
    column, row = ((x + 2).floor()).long().T
    assert ((row + column) % 2 == 0).all()
    counts = torch.bincount(4 * row + column, minlength=16)
    assert set(counts.nonzero().squeeze(1).tolist()) == {0, 2, 5, 7, 8, 10, 13, 15} and counts[counts > 0].min() > 800
    assert torch.equal(c.argmax(1), 2 * row + column // 2)  # row by row from the lower left
    torch.testing.assert_close((x - x.floor()).mean(), torch.tensor(0.5), atol=0.02, rtol=0)


def test_the_density_of_the_gaussians_is_that_of_their_samples():
    data = toys.EightGaussians(modes=3, noise=0.5)

    def density(y, x):
        return float(data.log_prob(torch.tensor([x, y], dtype=torch.float64)).exp())

    mass, _ = integrate.dblquad(density, -5, 5, -5, 5, epsabs=1e-4)
    assert mass == pytest.approx(1, abs=1e-3)
    right, _ = integrate.dblquad(density, 1, 5, -5, 5, epsabs=1e-4)
    assert (data.sample(20_000, generator())[:, 0] > 1).float().mean() == pytest.approx(right, abs=0.012)


@needs_images
def test_the_digits_are_images_with_their_numbers():
    everything = toys.Digits().everything()
    assert everything["x"].shape == (1797, 1, 8, 8) and everything["c"].sum(0).min() > 150
    assert everything["x"].min() == -1 and everything["x"].max() == 1
    x, c = toys.Digits().columns(20, generator()).values()
    known = {tuple(image.flatten().tolist()): label.argmax() for image, label in zip(*everything.values(), strict=True)}
    assert all(known[tuple(image.flatten().tolist())] == label.argmax() for image, label in zip(x, c, strict=True))
    everything["x"].zero_()
    assert toys.Digits().everything()["x"].any()


def test_without_the_images_the_extra_is_named(monkeypatch):
    from probrl.data.toys import digits

    digits._digits.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"probrl\[data\]"):
        toys.Digits().sample(3)

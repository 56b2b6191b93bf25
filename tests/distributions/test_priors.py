"""A prior: a distribution whose parameters are numbers, the same for every coordinate."""

from __future__ import annotations

import pytest
import torch
from pixyz.losses import KullbackLeibler
from pixyz.models import VAE

import probrl as pr
from probrl.errors import DataError, ExpressionError


def prior(**options):
    return pr.Normal("z", loc=0.0, scale=1.0, name="p_{prior}", **options)


def test_density_and_samples_have_every_coordinate():
    p = prior(event_shape=(2,))
    assert p.sample(batch_n=4)["z"].shape == (4, 2)
    z = torch.randn(5, 2)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    torch.testing.assert_close(p.log_prob({"z": z}), expected)
    symbol = pr.symbols("z")
    torch.testing.assert_close(p().log_prob(symbol)({"z": z}), expected)


def test_a_divergence_from_it_counts_every_coordinate():
    q, x = pr.Normal("z | x", pr.mlp(3, 8, 4), name="q"), pr.symbols("x", rank=1)
    batch = {"x": torch.randn(5, 3)}
    raw = q(x).parameters
    law = torch.distributions.Normal(raw["loc"](batch), raw["scale"](batch))
    expected = torch.distributions.kl_divergence(law, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(q(x).kl(prior()())(batch), expected)
    torch.testing.assert_close(KullbackLeibler(q, prior(event_shape=(2,))).eval(batch), expected)


def test_pixyz_trains_a_variational_autoencoder_with_it():
    p, q = prior(event_shape=(2,)), pr.Normal("z | x", pr.mlp(3, 8, 4), name="q")
    decoder = pr.Normal("x | z", pr.mlp(2, 8, 6))
    model = VAE(q, decoder, regularizer=KullbackLeibler(q, p).mean(), optimizer=torch.optim.Adam)
    assert torch.isfinite(model.train({"x": torch.randn(5, 3)}))
    assert (decoder * p).sample(batch_n=3)["x"].shape == (3, 3)


def test_what_needs_the_number_of_coordinates_is_refused():
    with pytest.raises(DataError, match="event_shape"):
        prior().sample(batch_n=4)
    for ask in (lambda: prior()().entropy(), lambda: prior()().draw()):
        with pytest.raises(ExpressionError, match="coordinates"):
            ask()
    assert pr.Normal("z", loc=0.0, scale=1.0, rank=0)().draw().type.rank == 0

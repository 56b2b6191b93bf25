"""Convolutions over pictures: sizes, layouts, scaling, what is refused."""

import pytest
import torch
from torch import nn

from probrl.errors import DataError
from probrl.networks import CNN, cnn


@pytest.mark.parametrize(
    "shape", [(36, 36, 1), (84, 84, 4), (4, 84, 84), (3, 64, 48), (96, 96, 3), (84, 84), (37, 50, 3)]
)
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_any_size_and_any_leading_dimensions(shape, lead):
    network = cnn(shape, 16, 5)
    assert network(torch.zeros(*lead, *shape, dtype=torch.uint8)).shape == (*lead, 5)
    assert network.out_features == 5


@pytest.mark.parametrize("shape", [(35, 84, 3), (84, 20, 3), (3, 84, 30), (7, 7, 3), (20, 20)])
def test_what_is_too_small_is_named(shape):
    sides = [n for n in shape if n > 3] if len(shape) == 3 and 7 not in shape else list(shape[:2])
    with pytest.raises(DataError, match=f"has {sides[0]} by {sides[1]} pixels.*at least 36 by 36.*ResizeObservation"):
        cnn(shape, 4)


@pytest.mark.parametrize("shape", [(84,), (2, 84, 84, 3)])
def test_what_is_no_picture(shape):
    with pytest.raises(DataError, match="a picture has the shape"):
        cnn(shape, 4)


def test_another_shape_than_declared():
    with pytest.raises(DataError, match=r"sees pictures of shape \(36, 36, 1\) and got \(2, 36, 40, 1\)"):
        cnn((36, 36, 1), 4)(torch.zeros(2, 36, 40, 1))


def test_bytes_are_scaled_and_reals_are_not():
    network, picture = cnn((36, 36, 3), 8), torch.randint(0, 256, (2, 36, 36, 3), dtype=torch.uint8)
    assert torch.equal(network(picture), network(picture.float() / 255))


def test_where_the_channels_lie_does_not_matter():
    last, first = cnn((40, 36, 3), 8), cnn((3, 40, 36), 8)
    first.load_state_dict(last.state_dict())
    picture = torch.rand(2, 40, 36, 3)
    torch.testing.assert_close(first(picture.movedim(-1, 1)), last(picture))
    assert not last.channels_first and first.channels_first
    assert cnn((36, 36, 36), 2, channels_first=True).channels_first


def test_it_is_the_network_of_the_literature():
    network = cnn((4, 84, 84), 512, 6)
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert [tuple(m.weight.shape) for m in layers] == [
        (32, 4, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (512, 3136), (6, 512)
    ]  # fmt: skip
    assert sum(isinstance(m, nn.ReLU) for m in network.modules()) == 4
    assert all(bool((m.bias == 0).all()) for m in layers)


def test_weights_are_orthogonal():
    network = cnn((36, 36, 1), 16, 4, last_gain=0.01)
    for layer, gain in zip(network.convolutions[::2], [2, 2, 2], strict=True):
        rows = layer.weight.detach().flatten(1)
        small = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
        torch.testing.assert_close(small, gain * torch.eye(len(small)), atol=1e-4, rtol=0)
    last = network.head[-1].weight.detach()
    torch.testing.assert_close(last @ last.T, 1e-4 * torch.eye(4), atol=1e-8, rtol=0)


def test_gradients_reach_every_layer():
    network = cnn((36, 36, 1), 16, 4)
    network(torch.randint(0, 256, (3, 36, 36, 1), dtype=torch.uint8)).sum().backward()
    assert isinstance(network, CNN) and all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())

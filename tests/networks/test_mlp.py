"""The perceptron: how inputs are joined, how it starts, what it refuses."""

import math

import pytest
import torch
from torch import nn

from probrl.errors import DataError
from probrl.networks import MLP, mlp


def test_is_a_sequential_of_the_given_sizes():
    network = mlp(4, 64, 32, 2)
    assert isinstance(network, MLP) and isinstance(network, nn.Sequential)
    assert [m.weight.shape for m in network if isinstance(m, nn.Linear)] == [(64, 4), (32, 64), (2, 32)]
    assert sum(isinstance(m, nn.Tanh) for m in network) == 2


def test_equals_the_plain_sequential_on_one_input():
    network, x = mlp(4, 16, 2), torch.randn(8, 4)
    assert torch.equal(network(x), nn.Sequential(*network)(x))


@pytest.mark.parametrize("rows", [(8,), (8, 5), (1,), (4,)])
def test_joins_vectors_and_scalars(rows):
    network, a, b = mlp(4, 16, 2), torch.randn(*rows, 3), torch.randn(*rows)
    joined = torch.cat([a, b.unsqueeze(-1)], -1)
    assert torch.equal(network(a, b), nn.Sequential(*network)(joined))
    assert torch.equal(network(b, a), nn.Sequential(*network)(torch.cat([b.unsqueeze(-1), a], -1)))


@pytest.mark.parametrize("rows", [(8,), (3,), (1,), (2,)])
def test_scalars_alone_become_columns(rows):
    network, x, t = mlp(2, 16, 1), torch.randn(*rows), torch.rand(*rows)
    assert network(x, t).shape == (*rows, 1)
    assert mlp(1, 4, 1)(x).shape == (*rows, 1)


def test_integers_and_booleans_become_floats():
    network = mlp(3, 8, 1).double()
    out = network(torch.tensor([[1, 2], [3, 4]]), torch.tensor([True, False]))
    assert out.dtype is torch.float64 and out.shape == (2, 1)
    assert mlp(2, 4, 1)(torch.zeros(5, 2, dtype=torch.uint8)).dtype is torch.float32


def test_starts_orthogonal():
    network = mlp(64, 64, 64, 8, last_gain=0.01)
    linears = [m for m in network if isinstance(m, nn.Linear)]
    for linear, gain in zip(linears, (math.sqrt(2), math.sqrt(2), 0.01), strict=True):
        gram = linear.weight @ linear.weight.T
        torch.testing.assert_close(gram, gain**2 * torch.eye(len(gram)), atol=1e-5, rtol=1e-4)
        assert not linear.bias.any()


@pytest.mark.parametrize("sizes", [(), (4,), (4, 0), (4, -1, 2), (4, 2.0), (True, 2)])
def test_refuses_sizes_that_are_not(sizes):
    with pytest.raises(DataError, match="positive sizes"):
        mlp(*sizes)


def test_refuses_inputs_of_the_wrong_width():
    with pytest.raises(DataError, match=r"takes 4 numbers per row and got 3, .*\(5, 2\), \(5,\)"):
        mlp(4, 8, 1)(torch.zeros(5, 2), torch.zeros(5))


def test_traces_as_one_graph():
    network = mlp(3, 8, 1)
    traced = torch.compile(network, backend="aot_eager", fullgraph=True)
    a, b = torch.randn(5, 2), torch.randn(5)
    torch.testing.assert_close(traced(a, b), network(a, b))

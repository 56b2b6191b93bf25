"""From what is seen to one vector: one-hot numbers, flat arrays, the entries of a dict side by side."""

import pytest
import torch
from torch import nn

from probrl.errors import DataError
from probrl.networks import Chain, Flat, Joined, OneHot, mlp


@pytest.mark.parametrize("lead", [(), (4,), (4, 3)])
def test_arrays_become_flat(lead):
    x = torch.randn(*lead, 2, 5)
    assert torch.equal(Flat((2, 5))(x), x.reshape(*lead, 10))
    assert Flat((2,))(torch.ones(*lead, 2, dtype=torch.int8)).dtype is torch.float32


@pytest.mark.parametrize("lead", [(), (4,), (4, 3)])
def test_a_number_is_one_hot(lead):
    x = torch.randint(7, 12, lead)
    expected = nn.functional.one_hot(x - 7, 5).float()
    assert torch.equal(OneHot((5,), (7,))(x), expected)


@pytest.mark.parametrize("lead", [(), (4,), (4, 3)])
def test_several_numbers_are_one_hot_side_by_side(lead):
    x = torch.stack([torch.randint(0, 2, lead), torch.randint(1, 4, lead)], -1)
    parts = nn.functional.one_hot(x[..., 0], 2), nn.functional.one_hot(x[..., 1] - 1, 3)
    assert torch.equal(OneHot((2, 3), (0, 1), (2,))(x), torch.cat(parts, -1).float())
    grid = torch.zeros(*lead, 2, 2, dtype=torch.int64)
    assert OneHot((2, 2, 2, 2), shape=(2, 2))(grid).tolist() == torch.tensor([1.0, 0] * 4).expand(*lead, 8).tolist()


def test_what_is_no_class_is_zero():
    assert OneHot((2,))(torch.tensor([5, -1])).sum() == 0


def test_the_entries_of_a_dict_stand_side_by_side():
    network = Joined({"a.b": Flat((2,)), "c": Joined({"d": OneHot((3,))})})
    x = {"c": {"d": torch.tensor([1])}, "a.b": torch.tensor([[5.0, 6.0]]), "more": None}
    assert network(x).tolist() == [[5.0, 6.0, 0.0, 1.0, 0.0]]
    with pytest.raises(DataError, match=r"sees a dict with a\.b, c and got c"):
        network({"c": x["c"]})
    with pytest.raises(DataError, match="and got Tensor"):
        network(torch.zeros(2))


def test_a_chain_says_how_much_it_puts_out():
    network = Chain(Joined({"a": OneHot((3,))}), mlp(3, 8, 5), nn.Tanh())
    assert network.out_features == 5 and network({"a": torch.tensor([0, 2])}).shape == (2, 5)
    assert not any("numbers" in name or "classes" in name for name in network.state_dict())

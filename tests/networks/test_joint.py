"""Several variables through one network."""

from __future__ import annotations

import pytest
import torch

from probrl.errors import DataError
from probrl.networks import Joint, MLPResNet, TimeMLP

SHAPES = {"b": 2, "a": (1, 2, 2), "s": ()}
X = {"s": torch.randn(3), "a": torch.randn(3, 1, 2, 2), "b": torch.randn(3, 2)}


@pytest.mark.parametrize("make", [TimeMLP, MLPResNet])
def test_equals_the_network_of_the_joint_vector(make):
    inner = make(7, condition=2)
    net, t, c = Joint(SHAPES, inner), torch.rand(3), torch.randn(3, 2)
    out = net(X, t, c)
    joint = inner(torch.cat([X["b"], X["a"].flatten(1), X["s"][:, None]], 1), t, c)
    assert {k: v.shape for k, v in out.items()} == {k: X[k].shape for k in ("b", "a", "s")}
    assert torch.equal(out["b"], joint[:, :2]) and torch.equal(out["a"].flatten(1), joint[:, 2:6])
    assert torch.equal(out["s"], joint[:, 6])


def test_traces_as_one_graph_and_every_variable_matters():
    net, t = Joint(SHAPES, lambda size: TimeMLP(size, hidden=(8,))), torch.rand(3)
    torch.compiler.reset()
    traced = torch.compile(net, backend="aot_eager", fullgraph=True)
    for name in SHAPES:
        moved = {**X, name: X[name] + 1}
        assert all(not torch.allclose(net(X, t)[k], net(moved, t)[k]) for k in SHAPES)
        torch.testing.assert_close(traced(moved, t), net(moved, t))


def test_what_does_not_fit_is_refused_by_name():
    net, t = Joint(SHAPES, lambda size: TimeMLP(size, hidden=(8,))), torch.rand(3)
    with pytest.raises(DataError, match="lacks the variable 'a'; it has 's', 'b'"):
        net({k: v for k, v in X.items() if k != "a"}, t)
    with pytest.raises(DataError, match=r"x_t\['b'\] has shape \(3, 3\)"):
        net({**X, "b": torch.zeros(3, 3)}, t)
    with pytest.raises(DataError, match="the shape of 'b' takes positive"):
        Joint({"b": 0}, TimeMLP)
    with pytest.raises(DataError, match="a variable or more"):
        Joint({}, TimeMLP)

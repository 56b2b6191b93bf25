"""The optimisers are torch's: the same steps, the same state, in both directions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import probrl as pr
from probrl.errors import CheckpointError
from tests.programs.declared import soft_actor_critic
from tests.programs.running import distance, run, tensors

x, y = pr.symbols("x y")
PAIRS = {
    "adam": (pr.Adam(1e-2), lambda p: torch.optim.Adam(p, 1e-2)),
    "adam decay": (pr.Adam(1e-2, weight_decay=0.1, betas=(0.8, 0.9)), lambda p: torch.optim.Adam(p, 1e-2, weight_decay=0.1, betas=(0.8, 0.9))),
    "adamw": (pr.AdamW(1e-2, weight_decay=0.1), lambda p: torch.optim.AdamW(p, 1e-2, weight_decay=0.1)),
    "sgd": (pr.SGD(1e-2), lambda p: torch.optim.SGD(p, 1e-2)),
    "momentum": (pr.SGD(1e-2, momentum=0.9, weight_decay=0.1), lambda p: torch.optim.SGD(p, 1e-2, momentum=0.9, weight_decay=0.1)),
    "nesterov": (pr.SGD(1e-2, momentum=0.9, nesterov=True), lambda p: torch.optim.SGD(p, 1e-2, momentum=0.9, nesterov=True)),
    "rmsprop": (pr.RMSprop(1e-3), lambda p: torch.optim.RMSprop(p, 1e-3)),
    "rmsprop momentum": (pr.RMSprop(1e-3, momentum=0.9), lambda p: torch.optim.RMSprop(p, 1e-3, momentum=0.9)),
}  # fmt: skip


def twins(seed: int = 0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    twin = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    twin.load_state_dict(net.state_dict())
    return pr.Deterministic("f | x", net), twin, {"x": torch.randn(16, 3), "y": torch.randn(16)}


def torch_step(twin, optimizer, batch):
    optimizer.zero_grad()
    ((twin(batch["x"]).squeeze(-1) - batch["y"]) ** 2).mean().backward()
    nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
    optimizer.step()


def minimize(f, rule):
    return pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f, optimizer=rule, max_grad_norm=0.5)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("name", PAIRS)
def test_steps_are_torchs(name, backend):
    f, twin, batch = twins()
    ours, theirs = PAIRS[name]
    optimizer, update = theirs(twin.parameters()), minimize(f, ours).compile(backend=backend)
    for _ in range(20):
        torch_step(twin, optimizer, batch)
        update(batch)
    assert distance(tensors({"f": f.net}), tensors({"f": twin})) <= 1e-6


@pytest.mark.parametrize("name", PAIRS)
def test_state_goes_both_ways(name):
    f, twin, batch = twins()
    ours, theirs = PAIRS[name]
    optimizer, update = theirs(twin.parameters()), minimize(f, ours).compile(backend="eager")
    for _ in range(3):
        update(batch)
    (group,) = update.groups().values()
    saved = group.state_dict()
    # ours into torch's
    twin.load_state_dict(f.net.state_dict())
    optimizer.load_state_dict({"state": saved["state"], "param_groups": optimizer.state_dict()["param_groups"]})
    torch_step(twin, optimizer, batch)
    update(batch)
    assert distance(tensors({"f": f.net}), tensors({"f": twin})) <= 1e-6
    # torch's into ours
    for _ in range(2):
        torch_step(twin, optimizer, batch)
    f.net.load_state_dict(twin.state_dict())
    group.load_state_dict(optimizer.state_dict())
    torch_step(twin, optimizer, batch)
    update(batch)
    assert distance(tensors({"f": f.net}), tensors({"f": twin})) <= 1e-6


def test_the_state_of_a_program_comes_back():
    one, _, update = run(soft_actor_critic, "eager", 3)
    weights = {k: {n: t.clone() for n, t in m.state_dict().items()} for k, m in one.modules.items()}
    saved = update.state_dict()
    first = [update(one.batch) for _ in range(3)]
    for name, module in one.modules.items():
        module.load_state_dict(weights[name])
    other = one.program.compile(backend="eager", seed=99)
    other.load_state_dict(saved)
    again = [other(one.batch) for _ in range(3)]
    for a, b in zip(first, again, strict=True):
        assert all(torch.equal(a[k], b[k]) for k in a)
    assert other.iteration == 6


def test_a_foreign_state_is_refused():
    _, _, update = run(soft_actor_critic, "eager", 1)
    f, _, _ = twins()
    other = minimize(f, pr.Adam(1e-3)).compile(backend="eager")
    with pytest.raises(CheckpointError):
        other.load_state_dict(update.state_dict())
    with pytest.raises(CheckpointError, match="lacks optimizers, roles"):
        other.load_state_dict({"x": 1})


def test_a_rate_of_its_own_for_each_part():
    torch.manual_seed(0)
    f, g = pr.Deterministic("f | x", pr.mlp(3, 1), name="f"), pr.Deterministic("g | x", pr.mlp(3, 1), name="g")
    step = pr.Minimize(pr.mean((f(x) + g(x) - y) ** 2), wrt={f: pr.SGD(0.1), g: pr.SGD(0.2)})
    batch = {"x": torch.randn(6, 3), "y": torch.randn(6)}
    for backend in ("eager", "aot_eager"):
        before = tensors({"f": f, "g": g})
        step.compile(backend=backend)(batch)
        after = tensors({"f": f, "g": g})
        moved = {k: after[k] - before[k] for k in before}
        torch.testing.assert_close(2 * moved["f.net.0.bias"], moved["g.net.0.bias"], rtol=1e-5, atol=1e-7)

"""Networks of the user: every usual layer trains eagerly and traced alike; what cannot be traced falls back, said once."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

import probrl as pr
from probrl.errors import ExpressionError
from tests.programs.running import agree, distance, run, single, tensors

x, y = pr.symbols("x y")


class Convolution(nn.Module):
    """A picture of 6 x 6 to features."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 1)
        )

    def forward(self, x):
        return self.body(x.unflatten(-1, (1, 6, 6)))


class Attention(nn.Module):
    """Six tokens of 6 to one number."""

    def __init__(self, dropout: float = 0.0):
        super().__init__()
        layer = nn.TransformerEncoderLayer(6, 2, 12, dropout=dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(6, 1)

    def forward(self, x):
        return self.head(self.encoder(x.unflatten(-1, (6, 6))).mean(-2))


class Tied(nn.Module):
    """The second map is the first, transposed."""

    def __init__(self):
        super().__init__()
        self.up, self.down, self.head = nn.Linear(36, 8), nn.Linear(36, 8), nn.Linear(36, 1)
        self.down.weight = self.up.weight

    def forward(self, x):
        return self.head(torch.tanh(self.up(x)) @ self.down.weight)


NETWORKS = {
    "batch norm": lambda: nn.Sequential(nn.Linear(36, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1)),
    "layer norm": lambda: nn.Sequential(nn.Linear(36, 8), nn.LayerNorm(8), nn.SiLU(), nn.Linear(8, 1)),
    "convolution": Convolution,
    "attention": Attention,
    "tied": Tied,
    "weight norm": lambda: nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(36, 8)), nn.Tanh(), nn.Linear(8, 1)
    ),
    "no bias": lambda: nn.Sequential(nn.Linear(36, 8, bias=False), nn.Tanh(), nn.Linear(8, 1)),
}


# eps is large: where a gradient is 0 on paper (a bias of attention's keys) Adam would divide rounding by rounding


def data(rows: int = 8) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(rows, 36), "y": torch.randn(rows)}


def regression(network, optimizer=None):
    f = pr.Deterministic("f | x", network())
    return single(
        pr.Program(
            pr.Minimize(
                pr.mean((f(x) - y) ** 2), wrt=f, optimizer=optimizer or pr.Adam(1e-2, eps=1e-4), max_grad_norm=1.0
            )
        ),
        data(),
        f=f,
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_trains_eagerly_and_traced_alike(name):
    agree(lambda: regression(NETWORKS[name]), 4)


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_torch_optim(name):
    torch.manual_seed(0)
    declared = regression(NETWORKS[name], pr.AdamW(1e-2, eps=1e-4))
    f = declared.modules["f"]
    twin = copy.deepcopy(f.net)
    twin.train(f.net.training)
    parameters = [p for p in twin.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, 1e-2, eps=1e-4)
    update = declared.program.compile(backend="eager")
    for _ in range(5):
        update(declared.batch)
        optimizer.zero_grad()
        ((twin(declared.batch["x"]).squeeze(-1) - declared.batch["y"]) ** 2).mean().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    assert distance(tensors({"f": f.net}), tensors({"f": twin})) <= 1e-6


def test_running_statistics_move_once_per_update():
    torch.manual_seed(0)
    for backend in ("eager", "aot_eager"):
        declared, _, _ = run(lambda: regression(NETWORKS["batch norm"]), backend, 3)
        norm = next(m for m in declared.modules["f"].modules() if isinstance(m, nn.BatchNorm1d))
        assert int(norm.num_batches_tracked) == 3
        assert float(norm.running_mean.abs().sum()) > 0


def test_the_running_statistics_of_a_copy_are_its_own():
    x, y = pr.symbols("x y")
    found = []
    for backend in ("eager", "aot_eager"):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))
        f = pr.Deterministic("f | x", net, name="f")
        loss = pr.mean((f(x) - pr.stop_gradient(f.target(x)) - y) ** 2)
        program = pr.Program(pr.Minimize(loss, wrt=f), pr.Polyak(f.target, tau=0.1))
        update = program.compile(backend=backend)
        for _ in range(3):
            update({"x": torch.randn(6, 4), "y": torch.randn(6)})
        found.append(update.state_dict()["roles"] | {"live": net.state_dict()})
    one, two = found
    for role in one:
        for name in one[role]:
            torch.testing.assert_close(two[role][name], one[role][name], rtol=1e-5, atol=1e-6, msg=f"{role} {name}")


def test_a_network_in_eval_mode_keeps_its_statistics():
    torch.manual_seed(0)
    declared = regression(NETWORKS["batch norm"])
    declared.modules["f"].eval()
    norm = next(m for m in declared.modules["f"].modules() if isinstance(m, nn.BatchNorm1d))
    declared.program.compile(backend="eager")(declared.batch)
    assert int(norm.num_batches_tracked) == 0


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_dropout_trains(backend):
    torch.manual_seed(0)
    declared = regression(lambda: nn.Sequential(nn.Linear(36, 32), nn.Dropout(0.5), nn.Tanh(), nn.Linear(32, 1)))
    update = declared.program.compile(backend=backend)
    losses = [float(update(declared.batch)["loss"]) for _ in range(30)]
    assert sum(losses[-5:]) < sum(losses[:5])
    declared.modules["f"].eval()
    value = pr.mean((declared.modules["f"](x) - y) ** 2)
    assert torch.equal(value(declared.batch), value(declared.batch))


def shared():
    torch.manual_seed(1)
    encoder = pr.Deterministic("z | x", pr.mlp(36, 8, 4), rank=1, name="e")
    f, g = pr.Deterministic("f | z", pr.mlp(4, 8, 1), name="f"), pr.Categorical("a | z", pr.mlp(4, 8, 3), name=r"\pi")
    a = pr.symbols("a")
    z = encoder(x)
    loss = pr.mean((f(z) - y) ** 2 - g(z).log_prob(a))
    program = pr.Program(pr.Minimize(loss, wrt=[encoder, f, g], optimizer=pr.Adam(1e-2), max_grad_norm=0.5))
    return single(program, {**data(), "a": torch.randint(0, 3, (8,))}, encoder=encoder, f=f, g=g)


def test_a_shared_encoder():
    agree(shared, 4)
    declared = shared()
    count = []
    declared.modules["encoder"].net.register_forward_hook(lambda *_: count.append(1))
    declared.program.compile(backend="eager")(declared.batch)
    assert len(count) == 1


def shared_module():
    """One trunk inside two networks: its parameters are moved once, by the sum of both gradients."""
    torch.manual_seed(1)
    trunk = nn.Sequential(nn.Linear(36, 8), nn.Tanh())
    f, g = (
        pr.Deterministic("f | x", nn.Sequential(trunk, nn.Linear(8, 1)), name="f"),
        pr.Deterministic("g | x", nn.Sequential(trunk, nn.Linear(8, 1)), name="g"),
    )
    loss = pr.mean((f(x) - y) ** 2 + (g(x) + y) ** 2)
    return single(
        pr.Program(pr.Minimize(loss, wrt=[f, g], optimizer=pr.Adam(1e-2), max_grad_norm=0.5)), data(), f=f, g=g
    )


def test_a_trunk_inside_two_networks():
    agree(shared_module, 4)
    declared = shared_module()
    twins = copy.deepcopy(torch.nn.ModuleList([declared.modules["f"].net, declared.modules["g"].net]))
    optimizer = torch.optim.Adam(twins.parameters(), 1e-2)
    update = declared.program.compile(backend="eager")
    for _ in range(4):
        update(declared.batch)
        optimizer.zero_grad()
        xs, ys = declared.batch["x"], declared.batch["y"]
        ((twins[0](xs).squeeze(-1) - ys) ** 2 + (twins[1](xs).squeeze(-1) + ys) ** 2).mean().backward()
        nn.utils.clip_grad_norm_(twins.parameters(), 0.5)
        optimizer.step()
    ours = torch.nn.ModuleList([declared.modules["f"].net, declared.modules["g"].net])
    assert distance(tensors({"n": ours}), tensors({"n": twins})) <= 1e-6


def test_a_frozen_layer_stays():
    torch.manual_seed(0)
    declared = regression(NETWORKS["layer norm"])
    first = (
        declared.modules["f"].net[0]
        if isinstance(declared.modules["f"].net, nn.Sequential)
        else next(m for m in declared.modules["f"].modules() if isinstance(m, nn.Linear))
    )
    first.requires_grad_(False)
    f, before = declared.modules["f"], first.weight.clone()
    for backend in ("eager", "aot_eager"):
        pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f).compile(backend=backend)(declared.batch)
        assert torch.equal(before, first.weight)


class Recurrent(nn.Module):
    """A sequence of six vectors of 6 to one number."""

    def __init__(self):
        super().__init__()
        self.core, self.head = nn.GRU(6, 8, batch_first=True), nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.core(x.unflatten(-1, (6, 6)))[0][:, -1])


def test_a_recurrent_network_runs_eagerly_and_says_so_once():
    torch.manual_seed(0)
    f = pr.Deterministic("f | x", Recurrent())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        update = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f).compile(backend="aot_eager")
        before = tensors({"f": f})
        for _ in range(3):
            assert float(update(data())["finite"]) == 1
    assert len([w for w in said if "runs eagerly" in str(w.message)]) == 1
    assert update.backend == "eager" and "GRU" in update.reason
    assert distance(before, tensors({"f": f})) > 0


def test_lazy_layers_get_their_shapes_by_running():
    torch.manual_seed(0)
    f = pr.Deterministic("f | x", nn.Sequential(nn.LazyLinear(8), nn.Tanh(), nn.LazyLinear(1)))
    with pytest.warns(UserWarning, match="runs eagerly: .*lazy"):
        update = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f).compile(backend="aot_eager")
    batch = data()
    losses = [float(update(batch)["loss"]) for _ in range(20)]
    assert losses[-1] < losses[0]
    g = pr.Deterministic("g | x", nn.LazyLinear(1), name="g")
    program = pr.Program(pr.Minimize(pr.mean((g(x) - g.target(x)) ** 2), wrt=g), pr.Polyak(g.target))
    with pytest.raises(ExpressionError, match="lazy layer that has no shape yet"):
        program.compile(backend="eager")(batch)


def test_a_network_that_breaks_the_graph_runs_eagerly_and_says_so_once():
    class Breaks(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(36, 1)

        def forward(self, x):
            return self.line(x) * (1.0 if float(x.sum().item()) > 1e9 else 2.0)

    torch.manual_seed(0)
    f = pr.Deterministic("f | x", Breaks())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        update = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f).compile(backend="aot_eager")
        before = tensors({"f": f})
        for _ in range(3):
            assert float(update(data())["finite"]) == 1
    assert len([w for w in said if "runs eagerly" in str(w.message)]) == 1
    assert distance(before, tensors({"f": f})) > 0


def test_a_network_that_replaces_its_buffers_runs_eagerly():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(36, 1)
            self.register_buffer("mean", torch.zeros(1))

        def forward(self, x):
            z = self.line(x)
            self.mean = 0.9 * self.mean + 0.1 * z.detach().mean(0)
            return z - self.mean

    found = []
    for backend in ("eager", "aot_eager"):
        torch.manual_seed(0)
        net = Mean()
        f = pr.Deterministic("f | x", net)
        update = pr.Minimize(pr.mean((f(x) - y) ** 2), wrt=f).compile(backend=backend)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for _ in range(3):
                update(data())
        assert ["Mean.mean is replaced in forward" in str(w.message) for w in said] == [True] * (backend != "eager")
        found.append([p.detach().clone() for p in (*net.parameters(), *net.buffers())])
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_auto_says_what_it_chose():
    declared = regression(NETWORKS["no bias"])
    few, many = declared.program.compile(updates=100), declared.program.compile(updates=10**7)
    assert (few.backend, many.backend) == ("eager", "inductor")
    assert "100" in few.reason and str(10**7) in many.reason


def test_double_precision():
    torch.manual_seed(0)
    declared = regression(NETWORKS["layer norm"])
    declared.modules["f"].double()
    batch = {k: v.double() for k, v in declared.batch.items()}
    for backend in ("eager", "aot_eager"):
        before = tensors(declared.modules)
        found = declared.program.compile(backend=backend)(batch)
        assert found["loss"].dtype == torch.float64
        assert distance(before, tensors(declared.modules)) > 0

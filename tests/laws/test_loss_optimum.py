"""What minimises a matching loss for normal data is the exact network: every path, prediction, weight, and bridge.

The data and the noise are a sample whose mean is exactly zero and whose covariance is exactly the identity, so that a least-squares
fit on it is the fit on the whole distribution: for an affine network at one time the optimum is known without a sampling error.
"""

import pytest
import torch
from torch import nn

import probrl as pr
from tests.generative.exact import ExactNormal, normal

P = pr.paths
PATHS = [P.LinearVP(), P.GVP(), P.Linear(), P.CosineVP(), P.VE(), P.EDM()]
PREDICTIONS = ["noise", "score", "data", "velocity", "F"]
x, t, e = pr.symbols("x t e")


class Affine(nn.Module):
    """A x + b for each of several outputs."""

    def __init__(self, size, outputs=1):
        super().__init__()
        self.event_shape, self.outputs = (size,), outputs
        self.weight = nn.Parameter(torch.zeros(outputs, size, size, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(outputs, size, dtype=torch.float64))

    def forward(self, x, time, condition):
        found = tuple(x @ w.T + b for w, b in zip(self.weight, self.bias, strict=True))
        return found[0] if self.outputs == 1 else found


def white(rows, columns):
    """Rows whose mean is exactly zero and whose covariance is exactly the identity."""
    torch.manual_seed(0)
    z = torch.randn(rows, columns, dtype=torch.float64)
    z = z - z.mean(0)
    return z @ torch.linalg.inv(torch.linalg.cholesky(z.T @ z / rows)).T


def minimise(loss, network, batch):
    """One step of Newton's method: exact, because the loss is quadratic in the parameters."""
    parameters = list(network.parameters())
    value = loss(batch)
    first = torch.autograd.grad(value, parameters, create_graph=True)
    flat = torch.cat([g.flatten() for g in first])
    rows = [torch.cat([h.flatten() for h in torch.autograd.grad(g, parameters, retain_graph=True)]) for g in flat]
    step = torch.linalg.solve(torch.stack(rows), flat.detach())
    with torch.no_grad():
        for p, s in zip(parameters, step.split([p.numel() for p in parameters]), strict=True):
            p -= s.view_as(p)


def data(time, dimension=3, rows=64):
    mean, covariance = (v.double() for v in normal(dimension))
    z = white(rows, 2 * dimension)
    return {
        "x": mean + z[:, :dimension] @ torch.linalg.cholesky(covariance).T, "e": z[:, dimension:],
        "t": torch.full((rows,), time, dtype=torch.float64),
    }  # fmt: skip


@pytest.mark.parametrize("predicts", PREDICTIONS)
@pytest.mark.parametrize("path", PATHS, ids=lambda p: type(p).__name__)
def test_matching_is_minimal_at_the_exact_prediction(path, predicts):
    batch = data(0.4)
    mean, covariance = normal(3)
    exact = ExactNormal(path, predicts, mean, covariance)
    probe = torch.randn(5, 3, dtype=torch.float64)
    for weight in ("noise", "velocity", "likelihood", "min_snr"):
        network = Affine(3)
        mu = pr.Diffusion("x", network, path=path, predicts=predicts, weight=weight)
        minimise(pr.mean(mu.matching(x, t=t, noise=e)), network, batch)
        torch.testing.assert_close(network(probe, None, None), exact(probe, batch["t"][:5], None), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("advantage", [0.0, 1.5])
def test_a_weighted_loss_is_minimal_at_the_tilted_data(advantage):
    """Weights exp(A), linear in the datum, of normal data: data of a shifted mean. By numbers, on weights of the sample itself."""
    batch = data(0.4, dimension=1, rows=4_000)
    z = (batch["x"] - 1.0) / 0.3
    batch["A"] = advantage * z[:, 0]
    network, path, A = Affine(1), P.LinearVP(), pr.symbols("A")
    mu = pr.Diffusion("x", network, path=path)
    minimise(pr.mean(pr.exp(A) * mu.matching(x, t=t, noise=e)), network, batch)
    exact = ExactNormal(path, "noise", torch.tensor([1.0 + 0.3 * advantage]), torch.tensor([[0.09]]))
    probe = torch.tensor([[0.0], [0.5], [1.0]], dtype=torch.float64)
    torch.testing.assert_close(
        network(probe, None, None), exact(probe, batch["t"][:3], None), rtol=0, atol=0.12 * bool(advantage) + 1e-6
    )


@pytest.mark.parametrize("predicts", ["displacement", "velocity"])
def test_bridges_are_minimal_at_the_exact_pair(predicts):
    from tests.generative.test_bridge import Exact

    z = white(64, 3)
    batch = {
        "x": 1 + 0.3 * z[:, :1],
        "y": -2 + 0.8 * z[:, 1:2],
        "e": z[:, 2:],
        "t": torch.full((64,), 0.4, dtype=torch.float64),
    }
    network = Affine(1, 2)
    b = pr.Bridge("x", network, sigma=0.7, predicts=predicts, coupling="independent")
    minimise(pr.mean(b.matching(x, start=pr.symbols("y"), t=t, noise=e)), network, batch)
    probe = torch.randn(5, 1, dtype=torch.float64)
    for found, true in zip(
        network(probe, None, None),
        Exact((1.0, 0.3), (-2.0, 0.8), 0.7, predicts)(probe, batch["t"][:5], None),
        strict=True,
    ):
        torch.testing.assert_close(found, true, rtol=1e-5, atol=1e-6)


def test_mean_flow_is_minimal_at_the_average_velocity_where_both_times_meet():
    """At r = t the average velocity is the velocity; the target of the exact average is the exact average (see few steps)."""
    batch = data(0.4, dimension=1)

    class Same(Affine):
        def forward(self, x, time, condition):
            return super().forward(x, time, None)

    network = Same(1)
    u = pr.MeanFlow("x", network)
    minimise(pr.mean(u.matching(x, t=t, r=pr.symbols("r"), noise=e)), network, {**batch, "r": batch["t"]})
    exact = ExactNormal(P.Linear(), "velocity", torch.tensor([1.0]), torch.tensor([[0.09]]))
    probe = torch.randn(5, 1, dtype=torch.float64)
    torch.testing.assert_close(network(probe, None, None), exact(probe, batch["t"][:5], None), rtol=1e-5, atol=1e-6)


def test_mean_flow_is_stationary_at_the_exact_average_velocity():
    """Over the noise, the target of the exact average velocity is itself: an affine change finds nothing to gain."""
    from tests.generative.test_few_steps import Average

    class Changed(Affine):
        def __init__(self):
            super().__init__(1)
            self.exact = Average(P.Linear())

        def forward(self, x, time, condition):
            return self.exact(x, time, condition) + super().forward(x, time, None)

    batch, network = data(0.8, dimension=1), Changed()
    u = pr.MeanFlow("x", network)
    loss = pr.mean(u.matching(x, t=t, r=pr.symbols("r"), noise=e))
    gradients = torch.autograd.grad(loss({**batch, "r": torch.full((64,), 0.3).double()}), list(network.parameters()))
    assert all(float(g.abs().max()) < 1e-6 for g in gradients)


def test_contrastive_energies_are_minimal_at_the_energy_of_the_noised_sample():
    """Of two samples behind one noised value: the minimiser is the energy of each, up to a constant, as a table."""
    energy = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)
    table = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    f, E = pr.symbols("f E", axes=pr.Axis("k", data=False))
    loss = pr.mean(pr.contrastive_energy(f, E))
    optimizer = torch.optim.LBFGS([table], max_iter=60)
    optimizer.step(lambda: (optimizer.zero_grad(), (v := loss({"f": table, "E": energy})).backward(), v)[-1])
    torch.testing.assert_close(table - table.mean(), energy - energy.mean(), atol=1e-4, rtol=0)

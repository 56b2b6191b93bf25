"""Log-densities along the probability flow: exact, estimated, and as a term of a loss."""

import math

import torch

import probrl as pr

# Data from a Gaussian, whose true density is known for comparison.
mean, deviation = torch.tensor([1.0, -0.5]), torch.tensor([0.5, 0.8])
torch.manual_seed(0)
data = {"x": mean + deviation * torch.randn(20_000, 2)}
truth = torch.distributions.Independent(torch.distributions.Normal(mean, deviation), 1)

mu = pr.Diffusion("x", pr.networks.TimeMLP(2, hidden=(64, 64)), path=pr.paths.GVP(), predicts="velocity")
trainer = pr.GenerativeTrainer(mu, data=data, optimizer=pr.Adam(3e-3 * (1 - pr.progress)), ema=None)
trainer.learn(3_000)

x = {"x": truth.sample((500,))}
solver = pr.solvers.RK4(steps=8, grid="quadratic")
with torch.no_grad():  # only the numbers are wanted, and gradients would keep every step
    exact = mu.log_prob(x, exact=True, solver=solver)  # the exact divergence, integrated along the flow
    estimated = mu.log_prob(x, probes=4, solver=solver)  # estimated by four random directions (Hutchinson)
    bits = mu.bits_per_dimension(x, solver=solver)
print(
    f"mean log-density: exact {exact.mean():.3f}, estimated {estimated.mean():.3f}, true {truth.log_prob(x['x']).mean():.3f}"
)
print(f"bits per dimension: {bits.mean():.3f}")
print(f"entropy of the data: {0.5 * math.log((2 * math.pi * math.e) ** 2) + deviation.log().sum():.3f}")

# In a formula: a step that increases the likelihood itself, with gradients through every step of the solver.
symbol = pr.symbols("x")
likelihood = pr.mean(mu.applied(()).log_prob(symbol, solver=pr.solvers.Heun(steps=4)))
step = pr.Maximize(likelihood, wrt=mu, optimizer=pr.Adam(1e-4)).compile(backend="eager")
print(likelihood.text())
print(step({"x": x["x"][:64]}))

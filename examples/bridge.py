"""A Schroedinger bridge: turn samples of one distribution into samples of another, along Brownian bridges."""

import torch

import probrl as pr

torch.manual_seed(0)

# --- two distributions, neither of them noise ------------------------------------------------------------------
moons, gaussians = pr.toys.toy("two_moons"), pr.toys.toy("eight_gaussians")


# --- the bridge: one network for the displacement between the ends, one for the noise in between ---------------
x, y = pr.symbols("x y")
network, score = (pr.networks.TimeMLP(2, hidden=(128, 128)) for _ in range(2))
bridge = pr.Bridge("x", network, score, sigma=0.5, coupling="entropic", name=r"b_\theta")
loss = pr.mean(bridge.matching(x, start=y))
print(loss)

# --- training --------------------------------------------------------------------------------------------------
step = pr.Minimize(loss, wrt=bridge, optimizer=pr.Adam(2e-3)).compile(backend="eager")
for i in range(400):
    metrics = step({"x": moons.sample(128), "y": gaussians.sample(128)})
    if i % 100 == 0:
        print(f"update {i:4d}: loss {float(metrics['loss']):.2f}")

# --- from one to the other, by the stochastic process and by the flow -------------------------------------------
start, data = gaussians.sample(1000), moons.sample(1000)
apart = pr.statistics.sliced_wasserstein
print(f"the two distributions are {float(apart(start, data)):.2f} apart")
for solver in (pr.solvers.EulerMaruyama(30), pr.solvers.Heun(30)):
    samples = bridge.sample(start=start, solver=solver)["x"]
    distance, moved = float(apart(samples, data)), (samples - start).norm(dim=1).mean()
    print(f"{type(solver).__name__}: {distance:.2f} from the data, points moved by {moved:.2f} on average")
print(f"two samples of the data: {float(apart(moons.sample(1000), data)):.2f}")

# --- a solver that does not fit is refused, with one that does -----------------------------------------------------
try:
    bridge.sample(start=start, solver=pr.solvers.DPM(10))
except pr.errors.ExpressionError as refusal:
    print(refusal)

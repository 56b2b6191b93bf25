"""A path of your own: two formulas, and a flow that is trained and sampled along it.

Diffusion and flow libraries type derivatives, drift, log-SNR, its inverse and the conversions between predictions by hand
for each schedule. Here they are derived from the two formulas, printed, and executed as printed.
"""

import sympy
import torch

import probrl as pr

t = pr.paths.t  # 0 is data, 1 is noise

# The data fade slowly at first and then quickly; the noise grows with a ripple. No library ships this path.
ripple = sympy.Symbol("r")
path = pr.paths.GaussianPath(alpha=1 - t**2, sigma=t + ripple * sympy.sin(2 * sympy.pi * t), r=-0.05)
print(path.text(conversions=False))

# Formulas that do not describe a path are refused at once, with the reason and the time.
try:
    pr.paths.GaussianPath(alpha=1 - t, sigma=t + sympy.sin(4 * sympy.pi * t) / 5)
except pr.errors.ExpressionError as refused:
    print("\nrefused:", refused)

# Numbers: the time at which data and noise are equally strong (by bisection, as this log-SNR has no closed inverse).
print("\ndata and noise are equally strong at t =", round(path.time_of(0.0), 4))

# A flow along the path, trained to predict its velocity.
torch.manual_seed(0)
flow = pr.Flow("x", pr.networks.TimeMLP(2, hidden=(64, 64)), path=path, name=r"v_\theta")
x = pr.symbols("x", rank=1)
loss = pr.mean(flow.matching(x))
print("\n", loss.text(define=True), sep="")  # with the matching loss spelled out in the path's alpha and sigma
step = pr.Minimize(loss, wrt=flow, optimizer=pr.Adam(2e-3)).compile(seed=0, backend="eager")
data = torch.randn(4096, 2) * 0.1 + torch.tensor([[1.0, -1.0]])
for _ in range(400):
    step({"x": data[torch.randint(0, len(data), (256,))]})

samples = flow.sample(n=1000, solver=pr.solvers.Heun(steps=20))["x"]
print("\nmean of the samples", [round(v, 2) for v in samples.mean(0).tolist()], "and of the data [1.0, -1.0]")

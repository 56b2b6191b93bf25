"""A path of your own: two formulas, and a flow that is trained and sampled along it.

Everything that diffusion and flow libraries type by hand per schedule (derivatives, drift, log-SNR and its inverse, the
conversions between predictions) is derived from the two formulas, printed, and executed as printed.
"""

import sympy
import torch

import probrl as pr

t = pr.paths.t  # 0 is data, 1 is noise

# Data stays for long, then goes fast; the noise comes with a ripple. No library ships this path.
ripple = sympy.Symbol("r")
path = pr.paths.GaussianPath(alpha=1 - t**2, sigma=t + ripple * sympy.sin(2 * sympy.pi * t), r=-0.05)
print(path.text(conversions=False))

# A formula that is no path is refused when it is built, with the place.
try:
    pr.paths.GaussianPath(alpha=1 - t, sigma=t + sympy.sin(4 * sympy.pi * t) / 5)
except pr.errors.ExpressionError as refused:
    print("\nrefused:", refused)

# Numbers: the time at which data and noise are equally strong (by bisection: this log-SNR has no closed inverse).
print("\nequal parts at t =", round(path.time_of(0.0), 4))

# A model along the path, trained on its velocity. The loss prints with the path's own alpha and sigma.
torch.manual_seed(0)
flow = pr.Flow("x", pr.networks.TimeMLP(2, hidden=(64, 64)), path=path, name=r"v_\theta")
x = pr.symbols("x", rank=1)
loss = pr.mean(flow.matching(x))
print("\n", loss.text(), sep="")
step = pr.Minimize(loss, wrt=flow, optimizer=pr.Adam(2e-3)).compile(seed=0, backend="eager")
data = torch.randn(4096, 2) * 0.1 + torch.tensor([[1.0, -1.0]])
for _ in range(400):
    step({"x": data[torch.randint(0, len(data), (256,))]})

samples = flow.sample(n=1000, solver=pr.solvers.Heun(steps=20))["x"]
print("\nmean of the samples", [round(v, 2) for v in samples.mean(0).tolist()], "and of the data [1.0, -1.0]")

"""Soft actor-critic on one page: several losses, draws, target networks, a learned temperature.

The batch is random, so there is nothing to learn; the example shows the algorithm, and that it runs as a single update.
"""

import torch

import probrl as pr

# --- symbols and distributions ---------------------------------------------------------------------------------
s, a, r, s_next, terminated = pr.symbols("s a r s_next terminated")  # s_next prints as s'
pi = pr.TanhNormal("a | s", pr.mlp(3, 256, 256, 2), name=r"\pi_\theta")  # two outputs: mean and scale of one action
Q = pr.ensemble(2, pr.Deterministic, "q | s, a", lambda: pr.mlp(4, 256, 256, 1), name="Q")
alpha, gamma = pr.parameter("alpha", 0.2, positive=True), pr.constant("gamma", 0.99)

# --- the losses ------------------------------------------------------------------------------------------------
a_next, a_new = pi(s_next).draw(), pi(s).draw()  # each draw is one value, wherever it is used; reparameterised
y = pr.stop_gradient(
    r + gamma * (1 - terminated) * (Q.target(s_next, a_next).min() - alpha * pi(s_next).log_prob(a_next))
)
critic = pr.mean(((Q(s, a) - y) ** 2).sum())  # over the ensemble, then over the data
actor = pr.mean(alpha * pi(s).log_prob(a_new) - Q(s, a_new).min())
temperature = pr.mean(-pr.log(alpha) * pr.stop_gradient(pi(s).log_prob(a_new) - 1.0))

# --- the order of the updates ----------------------------------------------------------------------------------
sac = pr.Program(
    pr.Minimize(critic.named("critic"), wrt=Q),
    # evaluated at the same parameters, so that pi(s) is computed once for both
    pr.Together(
        pr.Minimize(actor.named("actor"), wrt=pi),
        pr.Minimize(temperature.named("temperature"), wrt=alpha),
    ),
    pr.Polyak(Q.target, tau=0.005),
    pr.Report(alpha=alpha, entropy=pr.mean(-pi(s).log_prob(a_new))),
)
print(sac)  # sac.print_latex() for the aligned equations
for moved, table in sac.gradients().items():
    print(f"\nminimized over {moved}\n{table}")

# --- run it ----------------------------------------------------------------------------------------------------
torch.manual_seed(0)
rows = 64
batch = {
    "s": torch.randn(rows, 3),
    "a": torch.rand(rows, 1) * 2 - 1,
    "r": torch.randn(rows),
    "s_next": torch.randn(rows, 3),
    "terminated": torch.rand(rows) < 0.1,
}
sac.check(batch)
update = sac.compile(seed=0)
for i in range(20):
    metrics = update(batch)
    if i % 5 == 0:
        print(f"update {i:2d}: " + ", ".join(f"{k} {float(v):+.3f}" for k, v in metrics.items()))

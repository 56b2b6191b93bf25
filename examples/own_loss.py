"""A loss of your own: write it once, read it, verify it, train with it."""

import torch

import probrl as pr

# --- the mathematics -------------------------------------------------------------------------------------------
s, a, A, R = pr.symbols("s a A R")
pi = pr.Categorical("a | s", pr.mlp(4, 64, 64, 2), name=r"\pi_\theta")
V = pr.Deterministic("v | s", pr.mlp(4, 64, 64, 1), name=r"V_\phi")

ratio = pi(s).prob(a) / pi.behavior(s).prob(a)  # behavior: what the policy said when the action was taken
surrogate = pr.minimum(ratio * A, pr.clip(ratio, 0.8, 1.2) * A).named("surrogate")
error = ((V(s) - R) ** 2).named("error")
loss = pr.mean(-surrogate + 0.5 * error - 0.01 * pi(s).entropy())

# --- read it ---------------------------------------------------------------------------------------------------
print(loss.latex())
print(loss)
print(loss.gradients())  # which term moves which parameters, and what is held still

# --- run it ----------------------------------------------------------------------------------------------------
torch.manual_seed(0)
batch = {
    "s": torch.randn(64, 4),
    "a": torch.randint(0, 2, (64,)),
    "A": torch.randn(64),
    "R": torch.randn(64),
    "a_log_prob": torch.full((64,), -0.69),
}
print("value:", loss(batch))
print(loss.check(batch))  # printed formula == executed graph: value and gradients

step = pr.Minimize(loss, wrt=[pi, V], optimizer=pr.Adam(3e-3), max_grad_norm=0.5).compile(backend="auto")
for i in range(200):
    metrics = step(batch)  # one update, in place on pi and V
    if i % 50 == 0:
        print(f"update {i:3d}: loss {float(metrics['loss']):+.3f}, error {float(metrics['error']):.3f}")

"""The programs that the language was designed to carry, with small networks and random data: each a program and a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import probrl as pr

Batch = dict[str, Tensor]


@dataclass
class Declared:
    """A program with something to run it on.

    Attributes:
        program: the program.
        batch: columns that it takes.
        modules: what it may move, by name.
        copies: the roles that it moves, by name.
        names: whatever a test wants to look at.
    """

    program: Any
    batch: Batch
    modules: dict[str, Any]
    copies: dict[str, Any]
    names: dict[str, Any]


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Random numbers of the global generator."""
    return low + (high - low) * torch.rand(*shape)


def transitions(rows: int = 12, size: int = 3, actions: int | None = None, dim: int = 2) -> Batch:
    """Random single steps; discrete actions when their number is given, else vectors in (-1, 1)."""
    action = torch.randint(0, actions, (rows,)) if actions else torch.tanh(torch.randn(rows, dim))
    return {
        "s": torch.randn(rows, size), "a": action, "r": torch.randn(rows), "s_next": torch.randn(rows, size),
        "terminated": torch.rand(rows) < 0.3,
    }  # fmt: skip


def own_loss() -> Declared:
    """Program 2 of the design: a loss of the user's own."""
    s, a, A, R = pr.symbols("s a A R")
    pi = pr.Categorical("a | s", pr.mlp(4, 8, 8, 2), name=r"\pi_\theta")
    V = pr.Deterministic("v | s", pr.mlp(4, 8, 8, 1), name=r"V_\phi")

    ratio = pi(s).prob(a) / pi.behavior(s).prob(a)
    surrogate = pr.minimum(ratio * A, pr.clip(ratio, 0.8, 1.2) * A)
    loss = pr.mean(-surrogate + 0.5 * (V(s) - R) ** 2 - 0.01 * pi(s).entropy())
    program = pr.Program(pr.Minimize(loss, wrt=[pi, V], optimizer=pr.Adam(3e-3), max_grad_norm=0.5))
    batch = {
        "s": torch.randn(16, 4), "a": torch.randint(0, 2, (16,)), "A": torch.randn(16), "R": torch.randn(16),
        "a_log_prob": torch.full((16,), -0.69),
    }  # fmt: skip
    return Declared(program, batch, {"pi": pi, "V": V}, {}, {"loss": loss})


def soft_actor_critic() -> Declared:
    """Program 3 of the design: several losses, draws, a target network, a learnable temperature."""
    s, a, r, s_next, terminated = pr.symbols("s a r s_next terminated")
    pi = pr.TanhNormal("a | s", pr.mlp(3, 16, 16, 4), name=r"\pi_\theta")
    Q = pr.ensemble(2, pr.Deterministic, "q | s, a", lambda: pr.mlp(5, 16, 16, 1), name="Q")
    alpha, gamma = pr.parameter("alpha", 0.2, positive=True), pr.constant("gamma", 0.99)

    a_next, a_new = pi(s_next).draw(), pi(s).draw()
    y = pr.stop_gradient(r + gamma * (1 - terminated) *
                         (Q.target(s_next, a_next).min() - alpha * pi(s_next).log_prob(a_next)))  # fmt: skip
    critic = pr.mean(((Q(s, a) - y) ** 2).sum())
    actor = pr.mean(alpha * pi(s).log_prob(a_new) - Q(s, a_new).min())
    temperature = pr.mean(-pr.log(alpha) * pr.stop_gradient(pi(s).log_prob(a_new) - 1.0))
    sac = pr.Program(pr.Minimize(critic, wrt=Q), pr.Minimize(actor, wrt=pi), pr.Minimize(temperature, wrt=alpha),
                     pr.Polyak(Q.target, tau=0.005))  # fmt: skip
    return Declared(sac, transitions(), {"pi": pi, "Q": Q}, {"Q.target": Q.target}, {"alpha": alpha})


def ppo() -> Declared:
    """Program 1: PPO with generalised advantages, value clipping, a stop and a schedule."""
    time = pr.Axis("time", mask="valid")
    s, a, r, s_next, terminated, ended = pr.symbols("s a r s_next terminated ended", axes=time)
    pi = pr.Categorical("a | s", pr.mlp(4, 16, 2), name=r"\pi_\theta")
    V, eps = pr.Deterministic("v | s", pr.mlp(4, 16, 1), name="V"), pr.constant("epsilon", 0.2)
    gamma, lam = pr.constant("gamma", 0.99), pr.constant("lambda", 0.95)
    delta = r + gamma * (1 - terminated) * V(s_next) - V(s)
    gae = pr.recursion(lambda A: delta + gamma * lam * (1 - ended) * A, init=0, over="time", reverse=True)
    prepare = pr.Prepare(A=gae, R=gae + V(s), V_old=V(s))
    A, R, V_old = prepare
    log_ratio = pi(s).log_prob(a) - pi.behavior(s).log_prob(a)
    ratio, A_hat = pr.exp(log_ratio), pr.standardize(A)
    policy = (-pr.minimum(ratio * A_hat, pr.clip(ratio, 1 - eps, 1 + eps) * A_hat)).named("policy")
    value = (0.5 * pr.maximum((V(s) - R) ** 2, (V_old + pr.clip(V(s) - V_old, -eps, eps) - R) ** 2)).named("value")
    loss = pr.mean(policy + 0.5 * value - 0.01 * pi(s).entropy().named("entropy"))
    kl = pr.mean(ratio - 1 - log_ratio)
    program = pr.Program(prepare, pr.Fit(
        pr.Minimize(loss, wrt=[pi, V], optimizer=pr.Adam(2.5e-4 * (1 - pr.progress), eps=1e-5), max_grad_norm=0.5),
        pr.Report(approx_kl=kl, clip_fraction=pr.mean(pr.abs(ratio - 1) > eps)), epochs=4, minibatch=16, stop=kl > 0.02))  # fmt: skip
    batch = rollout()
    batch["a_log_prob"] = pi(s).log_prob(a)(batch).detach()
    return Declared(program, batch, {"pi": pi, "V": V}, {}, {"loss": loss})


def rollout(envs: int = 5, steps: int = 8) -> Batch:
    """Random steps of several environments side by side, with rows that are no step."""
    ended = torch.rand(envs, steps) < 0.2
    valid = torch.cat([torch.ones(envs, 1, dtype=torch.bool), ~ended[:, :-1]], dim=1)
    return {
        "s": torch.randn(envs, steps, 4), "a": torch.randint(0, 2, (envs, steps)), "r": torch.randn(envs, steps),
        "s_next": torch.randn(envs, steps, 4), "terminated": ended & (torch.rand(envs, steps) < 0.5), "ended": ended,
        "valid": valid, "a_log_prob": torch.full((envs, steps), -0.69),
    }  # fmt: skip


def discrete_sac() -> Declared:
    """Program 2: an exact expectation, one output of the critics per action."""
    s, a, r, s_next, terminated = pr.symbols("s a r s_next terminated")
    gamma = pr.constant("gamma", 0.99)
    pi, Q, alpha = (
        pr.Categorical("a | s", pr.mlp(3, 16, 4), name=r"\pi_\theta"),
        pr.ensemble(2, pr.Deterministic, "q[a] | s", lambda: pr.mlp(3, 16, 4), name="Q"),
        pr.parameter("alpha", 1.0, positive=True),
    )

    def soft_value(Q, s):
        return pr.expect(lambda b: Q(s).min("i")[b] - alpha * pi(s).log_prob(b), over=pi(s).draw(), how="exact")

    y = pr.stop_gradient(r + gamma * (1 - terminated) * soft_value(Q.target, s_next))
    critic = pr.mean(((Q(s)[a] - y) ** 2).sum("i"))
    temperature = pr.mean(pr.log(alpha) * pr.stop_gradient(pi(s).entropy() - 0.98 * math.log(4)))
    program = pr.Program(pr.Minimize(critic, wrt=Q), pr.Minimize(pr.mean(-soft_value(Q, s)), wrt=pi),
                         pr.Minimize(temperature, wrt=alpha), pr.Polyak(Q.target, tau=0.005))  # fmt: skip
    return Declared(program, transitions(actions=4), {"pi": pi, "Q": Q}, {"Q.target": Q.target}, {"alpha": alpha})


def double_dqn() -> Declared:
    """Program 3: double Q-learning over windows of several steps, weighted by priority."""
    gamma = pr.constant("gamma", 0.99)
    s, a, s_last, w = pr.symbols("s a s_last w")
    r, terminated = pr.symbols("r terminated", axes=pr.Axis("n", mask="in_window"))
    Q = pr.Deterministic("q[a] | s", pr.mlp(3, 16, 4), name="Q")
    bootstrap = Q.target(s_last)[Q(s_last).argmax("a")]
    G = pr.recursion(lambda G: r + gamma * (1 - terminated) * G, init=bootstrap, over="n", reverse=True).at(n=0)
    td = Q(s)[a] - pr.stop_gradient(G)
    program = pr.Program(pr.Minimize(pr.mean(w * pr.huber(td)), wrt=Q), pr.Report(priority=pr.abs(td)),
                         pr.Every(3, pr.Snapshot(Q.target)))  # fmt: skip
    rows, n = 12, 3
    length = torch.randint(1, n + 1, (rows, 1))
    batch = {
        "s": torch.randn(rows, 3), "a": torch.randint(0, 4, (rows,)), "s_last": torch.randn(rows, 3), "w": uniform(rows),
        "r": torch.randn(rows, n), "terminated": torch.rand(rows, n) < 0.2, "in_window": torch.arange(n) < length,
    }  # fmt: skip
    return Declared(program, batch, {"Q": Q}, {"Q.target": Q.target}, {"td": td})


def world_model() -> Declared:
    """Program 13: a latent world model with balanced divergences."""
    Z, H, O, E = 4, 6, 5, 7
    time = pr.Axis("time", mask="valid")
    o, a = pr.symbols("o a", rank=1, axes=time)
    r, first = pr.symbols("r first", axes=time)
    core = pr.Deterministic("h | h_prev, z_prev, a_prev", pr.mlp(H + Z + 2, 16, H), rank=1, name="f")
    q = pr.OneHot("z | h, e", pr.mlp(H + E, 16, Z, last_gain=8), name="q")  # far from p: the free nats do not hold all
    p = pr.OneHot("z | h", pr.mlp(H, 16, Z, last_gain=8), name="p")
    encoder = pr.Deterministic("e | o", pr.mlp(O, 16, E), rank=1, name="e")
    decoder = pr.Normal("o | h, z", pr.mlp(H + Z, 16, 2 * O), name="d")
    reward = pr.Normal("r | h, z", pr.mlp(H + Z, 16, 2), rank=0, name=r"\rho")
    e, keep = encoder(o), 1 - first

    def body(h, z):
        h = core(keep * h, keep * z, keep * pr.prev(a, first=0))
        return h, q(h, e).draw(gradient="straight-through").to_event("class")

    h, z = pr.recursion(body, init=(0, 0), over="time")
    posterior, prior = q(h, e), p(h)
    kl = 0.5 * pr.maximum(1, pr.stop_gradient(posterior).kl(prior)) + 0.1 * pr.maximum(
        1, posterior.kl(pr.stop_gradient(prior))
    )
    loss = pr.mean(-decoder(h, z).log_prob(o) - reward(h, z).log_prob(r) + kl)
    program = pr.Program(pr.Minimize(loss, wrt=[core, q, p, encoder, decoder, reward], max_grad_norm=1000))
    rows, steps = 3, 5
    batch = {
        "o": torch.randn(rows, steps, O), "a": torch.randn(rows, steps, 2), "r": torch.randn(rows, steps),
        "first": torch.rand(rows, steps) < 0.2, "valid": torch.rand(rows, steps) < 0.9,
    }  # fmt: skip
    modules = {"core": core, "q": q, "p": p, "encoder": encoder, "decoder": decoder, "reward": reward}
    return Declared(program, batch, modules, {}, {"h": h, "z": z, "loss": loss})


PROGRAMS: dict[str, Callable[[], Declared]] = {
    f.__name__: f for f in (own_loss, soft_actor_critic, ppo, discrete_sac, double_dqn, world_model)
}

"""The programs of generative policies that the language was designed to carry, with small networks and random data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import probrl as pr
from probrl.networks import TimeMLP
from tests.programs.declared import Declared, transitions

gamma = pr.constant("gamma", 0.99)


def critics() -> Any:
    return pr.ensemble(2, pr.Deterministic, "q | s, a", lambda: pr.mlp(5, 16, 1), name="Q")


def policy(family: Any, **options: Any) -> Any:
    return family("a | s", TimeMLP(2, condition=3, hidden=(16,)), **options)


def diffusion_ql(steps: int = 3, candidates: int = 4) -> Declared:
    """Program 6: the gradient passes through the sampler; the moving average draws for the target and for acting."""
    s, a, r, s_next, terminated = pr.symbols("s a r s_next terminated")
    pi, Q = policy(pr.Diffusion, name=r"\pi_\theta", solver=pr.solvers.DPM(steps)), critics()
    eta = pr.constant("eta", 1.0)
    a_next, a_new = pi.ema(s_next).draw(), pi(s).draw()
    y = pr.stop_gradient(r + gamma * (1 - terminated) * Q.target(s_next, a_next).min("i"))
    j = pr.Subset(2, 2).draw(axis="i")
    q = Q(s, a_new).at(i=j)
    actor = pr.mean(pi(s).matching(a)) - eta * pr.mean(q.at(i=0)) / pr.stop_gradient(pr.mean(pr.abs(q.at(i=1))))
    options = pi.ema(s).draw(candidates, "k")
    act = options.at(k=pr.Categorical(logits=Q.target(s, options).min("i"), axis="k").draw())
    program = pr.Program(
        pr.Minimize(pr.mean(((Q(s, a) - y) ** 2).sum("i")), wrt=Q), pr.Minimize(actor, wrt=pi),
        pr.Polyak(Q.target, tau=0.005), pr.Every(5, pr.Polyak(pi.ema, tau=0.005)), act=act,
    )  # fmt: skip
    return Declared(program, transitions(), {"pi": pi, "Q": Q}, {"Q.target": Q.target, "pi.ema": pi.ema}, {"act": act})


def qgpo(support: int = 4) -> Declared:
    """Program 7: contrastive energy over actions of the behaviour model, and guided sampling."""
    s, a, r, s_next, terminated = pr.symbols("s a r s_next terminated")
    mu, Q = policy(pr.Diffusion, name=r"\mu", solver=pr.solvers.DPM(3)), critics()
    f = pr.Deterministic("f | a_t, t, s", pr.mlp(6, 16, 1))
    actions = pr.Prepare(b=mu(s).draw(support, "k"), b_next=mu(s_next).draw(support, "k"))
    b, b_next = actions
    q_next = Q.target(s_next, b_next).min("i")
    y = pr.stop_gradient(r + gamma * (1 - terminated) * (pr.softmax(q_next, "k") * q_next).sum("k"))
    t, e = pr.Uniform(1e-3, 1).draw(per=s), pr.noise(like=b)
    energy = f(mu.path.perturb(b, e, t), t, s)
    cep = pr.mean(pr.contrastive_energy(energy, Q(s, b).min("i"), over="k"))
    pi = pr.EnergyGuided(mu, f, 3.0, name=r"\pi")
    program = pr.Program(
        actions,
        pr.Minimize(pr.mean(((Q(s, a) - y) ** 2).sum("i")), wrt=Q), pr.Minimize(cep, wrt=f),
        pr.Polyak(Q.target, tau=0.005), act=pi(s).draw(),
    )  # fmt: skip
    return Declared(program, transitions(), {"f": f, "Q": Q}, {"Q.target": Q.target}, {"mu": mu, "pi": pi})


def fql() -> Declared:
    """Program 8: one noise in both maps."""
    s, a, r, s_next, terminated = pr.symbols("s a r s_next terminated")
    v, Q = policy(pr.Flow, name="v"), critics()
    mu = pr.Deterministic("a | s, z", pr.mlp(5, 16, 2), rank=1, name=r"\mu")
    z, z_next = pr.noise(like=a), pr.noise(like=a)
    a_new, a_flow = mu(s, z), v(s).draw(start=z, steps=3)
    y = pr.stop_gradient(r + gamma * (1 - terminated) * Q.target(s_next, mu(s_next, z_next)).mean("i"))
    q = Q(s, a_new).mean("i")
    distil = 10.0 * pr.sqnorm(a_new - pr.stop_gradient(a_flow)) - q / pr.stop_gradient(pr.mean(pr.abs(q)))
    program = pr.Program(
        pr.Together(
            pr.Minimize(pr.mean(((Q(s, a) - y) ** 2).sum("i")), wrt=Q),
            pr.Minimize(pr.mean(v(s).matching(a)), wrt=v),
            pr.Minimize(pr.mean(distil), wrt=mu),
        ),
        pr.Polyak(Q.target, tau=0.005),
    )
    return Declared(program, transitions(), {"v": v, "mu": mu, "Q": Q}, {"Q.target": Q.target}, {})


def dppo(steps: int = 4) -> Declared:
    """Program 9: the chain is the policy."""
    s, A = pr.symbols("s A")
    x, x_next = pr.symbols("x x_next", rank=1, axes=pr.Axis("k", data=False))
    k = pr.index("k")
    pi = policy(pr.Diffusion, name=r"\pi_\theta", solver=pr.solvers.EulerMaruyama(steps))
    ratio = pr.exp(pi(s).kernel(x, k).log_prob(x_next) - pi.old(s).kernel(x, k).log_prob(x_next))
    A_k = pr.standardize(A) * 0.99**k
    surrogate = pr.minimum(ratio * A_k, pr.clip(ratio, 0.9, 1.1) * A_k)
    program = pr.Program(
        pr.Snapshot(pi.old), pr.Fit(pr.Minimize(pr.mean(-surrogate.mean("k")), wrt=pi), epochs=2, minibatch=6)
    )
    batch = {"s": torch.randn(12, 3), "A": torch.randn(12)}
    states = pi.sample({"s": batch["s"]}, trajectory=True)["a"].transpose(0, 1)
    batch |= {"x": states[:, :-1], "x_next": states[:, 1:]}
    return Declared(program, batch, {"pi": pi}, {"pi.old": pi.old}, {"ratio": ratio})


def fpo(pairs: int = 4) -> Declared:
    """Program 10: a ratio without a likelihood, the same times and noises on both sides."""
    s, a, A = pr.symbols("s a A")
    pi = policy(pr.Flow, name=r"\pi_\theta")
    t, e = pr.Uniform(0, 1).draw(pairs, "m", per=s), pr.noise(like=a, n=pairs, axis="m")
    prepare = pr.Prepare(t=t, e=e, l_old=pi(s).matching(a, t=t, noise=e))
    t_, e_, l_old = prepare
    ratio = pr.exp((l_old - pi(s).matching(a, t=t_, noise=e_)).mean("m"))
    loss = pr.mean(-pr.minimum(ratio * A, pr.clip(ratio, 0.95, 1.05) * A))
    program = pr.Program(prepare, pr.Fit(pr.Minimize(loss, wrt=pi), epochs=2, minibatch=6))
    return Declared(program, {**transitions(), "A": torch.randn(12)}, {"pi": pi}, {}, {})


def mean_flow() -> Declared:
    """Program 11: the average velocity by one jvp, written out."""
    x, c = pr.symbols("x c", rank=1)
    u = pr.Deterministic("u | x_t, r, t, c", pr.mlp(2 + 1 + 1 + 3, 16, 2), rank=1)
    t1, t2, e = pr.Uniform(0, 1).draw(per=x), pr.Uniform(0, 1).draw(per=x), pr.noise(like=x)
    t = pr.maximum(t1, t2)
    r = pr.where(pr.Uniform(0, 1).draw(per=x) < 0.25, pr.minimum(t1, t2), t)
    x_t, v = (1 - t) * x + t * e, e - x
    now = u(x_t, r, t, c)
    target = v - (t - r) * pr.jvp(now, {x_t: v, r: 0, t: 1})
    program = pr.Program(pr.Minimize(pr.mean(pr.sqnorm(now - pr.stop_gradient(target))), wrt=u))
    return Declared(program, {"x": torch.randn(12, 2), "c": torch.randn(12, 3)}, {"u": u}, {}, {})


def adjoint_matching(steps: int = 3) -> Declared:
    """Program 12: the aligned chain of the model, and the adjoint of its start backwards along it."""
    s = pr.symbols("s")
    v, Q = policy(pr.Flow, name="v"), critics()
    solver = pr.solvers.DDIM(steps, eta=1.0)
    loss = pr.mean(pr.adjoint_matching(v(s), lambda x: 5.0 * Q(s, x).mean("i"), solver=solver))
    program = pr.Program(pr.Minimize(loss, wrt=v))
    return Declared(program, {"s": torch.randn(6, 3)}, {"v": v}, {}, {})


PROGRAMS: dict[str, Callable[[], Declared]] = {
    f.__name__: f for f in (diffusion_ql, qgpo, fql, dppo, fpo, mean_flow, adjoint_matching)
}

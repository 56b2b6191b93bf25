"""Formulas written by hand, for the laws of printing: every node, and what an algorithm is made of."""

from __future__ import annotations

from functools import lru_cache

import probrl as pr
from probrl.expr import nodes as n
from probrl.expr import operators as op
from probrl.expr.axes import Axis, index_axis
from probrl.expr.base import Expr
from probrl.expr.state import Network

TIME = Axis("time", mask="valid")
I, K = index_axis("i"), index_axis("k")


@lru_cache(maxsize=1)
def corpus() -> dict[str, Expr]:
    """The formulas, by name."""
    x, y, z = pr.symbols("x y z", rank=0)
    v, w = pr.symbols("v w", rank=1)
    u, r, ended = pr.symbols("u r ended", rank=0, axes=TIME)
    s, a = pr.symbols("s a")
    V, Q, f, h = (Network(name, None) for name in (r"V_\phi", "Q", "f", "h"))
    eps, gamma = pr.constant("epsilon", 0.2), pr.constant("gamma", 0.99)
    alpha = pr.parameter("alpha", 0.2, positive=True)
    bounded = pr.parameter("b", 0.1, bounds=(0.01, 100))
    noise, several = pr.noise(like=v), pr.noise(like=x, n=16, axis="k")
    members = n.Call(Q, "live", (s, a), 0, (I,))
    target = n.Call(Q, "target", (s, a), 0, (I,))
    value = n.Call(V, "live", (s,), 0, ())
    outputs = n.Call(h, "live", (s,), (1, 0), ())
    table = n.Rename(n.Call(f, "live", (s,), 1, ()), None, "a")
    gae = pr.recursion(lambda A: r - u + gamma * (1 - ended) * A, init=0, over="time", reverse=True)
    two = pr.recursion(lambda p, q: (p + u, q * p), init=(0, 1), over="time")
    ratio = (pr.exp(x) / pr.exp(y)).named("ratio")
    found = {
        "difference": x - y - (z - x),
        "negative numbers": x + (-0.5) * y - 0.5 * z,
        "signs": -x * y + x * -y - (-2.0) + -(0.5 * z),
        "quotients": x / y / z + 1 / (x / y) + x * (y / z) - (-x) / y + x**-1,
        "powers": (x**2) ** 3 + x ** (y**2) + (-x) ** 2 + 2**x + pr.sqrt(x * y) + x**-0.5,
        "functions": pr.exp(-x) * pr.log(x) + pr.tanh(x) ** 2 - pr.abs(x - y) * pr.floor(x),
        "gammas": pr.lgamma(x) / pr.digamma(y) - pr.log(pr.exp(z)),
        "more functions": pr.sigmoid(x) + pr.softplus(y) * pr.sin(z) - pr.cos(x) * pr.sign(y),
        "numbers": x * 2 + 2 * x + 1e-8 + 2.0 * 3 + 1e20 * y,
        "extrema": pr.minimum(x * y, pr.clip(x, 1 - eps, 1 + eps) * y) + pr.maximum(x, pr.minimum(y, z)),
        "indicators": (x < y) * z + pr.where(x >= y, x, y) + pr.where(z, x, pr.equal(x, y)),
        "vectors": pr.sqnorm(v - w) + pr.dot(v, w) * x - pr.sum_event(v * x / w),
        "coordinates": pr.sum_event((v - f_of(f, w)) ** 2 / v) + pr.sum_event(v) * pr.sum_event(pr.exp(w)),
        "a mean": pr.mean(x * y + z) - pr.sum(x) + pr.data_max(x - pr.mean(x)),
        "a masked mean": pr.mean(u * x) + pr.mean(x) + pr.data_min(u),
        "standardised": pr.mean(pr.standardize(u) * r) + pr.std(x),
        "members": pr.mean(((members - pr.stop_gradient(x + gamma * target.min())) ** 2).sum("i")),
        "members again": pr.mean(members.max("i") - members.mean("i") + members.at(i=0)),
        "best members": pr.mean(members.argmax() * x) - pr.mean(members.argmin() * x),
        "two axes": pr.mean((members * several).sum("i", "k")) + pr.mean((members + several).max("i").min("k")),
        "gather": table[a] * table.max("a") + pr.mean(table.argmax("a")) + table.at(a=table.argmin("a")),
        "rename": (members * members.rename(i="j")).sum("i", "j") + pr.sqnorm(table.to_event("a")),
        "join": pr.stack([x, y, z], "k").sum("k") + pr.sqnorm(pr.concatenate(x, v, w)),
        "range": (pr.index("k") * several).sum("k") + (n.Range(K, several) + several).max("k"),
        "noise": pr.sqnorm(v + noise) + pr.dot(noise, pr.noise(like=w)) + pr.noise(like=x, law="uniform"),
        "a subset": members.at(i=op.fresh_noise("subset", None, ((index_axis("i"), 2),), (2, 2))).sum("i"),
        "networks": value + role(V, "old", s) * role(V, "frozen", s) - role(V, "target", x) / role(V, "reference", s),
        "outputs": n.Item(outputs, 1, 2) + pr.sqnorm(n.Item(outputs, 0, 2)),
        "halves": pr.sqnorm(n.Item(n.Call(f, "ema", (s,), 1, ()), 0, 2)) * x,
        "stop": pr.stop_gradient(x * y) * x + pr.stop_gradient(pr.stop_gradient(z)),
        "a gradient": pr.dot(pr.grad(n.Call(V, "live", (v,), 0, ()) * x, v), w) + pr.grad(x * y, x),
        "a jvp": pr.sqnorm(pr.jvp(n.Call(f, "live", (v, x), 1, ()), {v: w, x: 1})) + pr.jvp(x * y, {x: z, y: 1}),
        "a divergence": pr.divergence(n.Call(f, "live", (v,), 1, ()), v),
        "time": pr.mean(u + gamma * pr.next(u * x) - pr.prev(r, first=0)),
        "twice next": pr.mean(pr.next(pr.next(u)) * ended),
        "advantages": pr.mean(gae * u) + pr.mean(gae),
        "two states": pr.mean(two[0] * two[1]),
        "restart": gae.at(time=0) + x,
        "scalars": alpha * x - pr.state("m", 0.5) * pr.progress + bounded * pr.iteration,
        "names": (ratio * x).named("policy") + 0.5 * ratio - x.named("gamma") * gamma,
        "same letters": pr.constant("x", 1.0) * x + pr.constant("x", 2.0) * x.named("x"),
        "softmax": (pr.softmax(several) * pr.log_softmax(several + x)).sum("k") - pr.logsumexp(several),
        "sources": pr.mean(x) - pr.mean(pr.symbols("e", rank=0, data="expert") ** 2),
    }  # fmt: skip
    return {name: _settled(x) for name, x in (found | of_distributions()).items()}


def of_distributions() -> dict[str, Expr]:
    """Formulas of distributions: densities, roles, moments, divergences, draws, expectations."""
    s, s_next, a = pr.symbols("s s_next a")
    pi = pr.Categorical("a | s", pr.mlp(3, 4), name=r"\pi_\theta")
    p, q = (pr.Normal("u | s", pr.mlp(3, 4), name=name) for name in "pq")
    Q = pr.ensemble(2, pr.Deterministic, "q[a] | s", lambda: pr.mlp(3, 4), name="Q")
    alpha, u = pr.parameter("alpha", 0.2), pr.symbols("u", rank=1)
    drawn, again, several = p(s).draw(), p(s).draw(), q(s_next).draw(5, "k")
    t = pr.Uniform(0, 1).draw(per=s)
    value = pr.expect(lambda b: Q(s).min("i")[b] - alpha * pi(s).log_prob(b), over=pi(s).draw(), how="exact")
    scored = pr.expect(lambda b: Q(s).at(a=b).min("i"), over=pi(s).draw(), how="score")
    return {
        "a ratio": pi(s).prob(a) / pi.behavior(s).prob(a) - pi.old(s).prob(a) / pi.reference(s).prob(a),
        "a log ratio": pr.exp(pi(s).log_prob(a) - pi.frozen(s).log_prob(a)) + pi.ema(s_next).log_prob(a),
        "moments": pi(s).entropy() + pr.dot(p(s).mean(), p(s).variance()) + pr.sqnorm(p(s).mode() - q(s).mean()),
        "divergences": p(s).kl(q(s)) - q(s).kl(p(s)) + p.old(s).kl(p(s)) + pr.stop_gradient(p(s)).kl(q(s_next)),
        "draws": p(s).log_prob(drawn) - q(s).log_prob(drawn) + pr.dot(again, drawn) + pr.sqnorm(several).sum("k"),
        "a time": t * p(s).log_prob(u) + pr.Uniform(0, 1).draw() * t,
        "an expectation": pr.mean(value),
        "a score": pr.mean(scored),
    }


def role(net: Network, name: str, x: Expr) -> Expr:
    """A network in a role."""
    return n.Call(net, name, (x,), 0, ())


def f_of(net: Network, x: Expr) -> Expr:
    """A vector-valued network."""
    return n.Call(net, "live", (x,), 1, ())


def _settled(x: Expr) -> Expr:
    from probrl.expr.ranks import settle

    return settle(x)[0]

"""Wrong programs, each beside its nearest right one: the kind of mistake, what the message shows and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import probrl as pr


@dataclass(frozen=True)
class Wrong:
    """A program that is refused.

    Attributes:
        kind: the kind of mistake.
        wrong: composes it; must raise.
        right: composes its nearest right program.
        shows: pieces of the offending sub-formula that the message prints.
        says: pieces of what the message tells to write.
    """

    kind: str
    wrong: Callable[[SimpleNamespace], Any]
    right: Callable[[SimpleNamespace], Any]
    shows: tuple[str, ...]
    says: tuple[str, ...]


def scene() -> SimpleNamespace:
    """What the programs speak of; made anew for each, so that nothing is settled by another."""
    made = SimpleNamespace()
    made.s, made.a, made.A, made.R, made.r, made.s_next = pr.symbols("s a A R r s_next")
    made.v, made.o = pr.symbols("v o", rank=1)
    made.time = pr.Axis("time", mask="valid")
    made.u, made.ended = pr.symbols("u ended", axes=made.time)
    made.plain = pr.symbols("x_t", axes="time")
    made.e = pr.symbols("e", data="expert")
    made.pi = pr.Categorical("a | s", pr.mlp(4, 8, 2), name=r"\pi")
    made.mu = pr.Normal("c | s", pr.mlp(4, 8, 4), name=r"\mu")
    made.V = pr.Deterministic("v | s", pr.mlp(4, 8, 1), name="V")
    made.Q = pr.ensemble(2, pr.Deterministic, "q | s, a", lambda: pr.mlp(5, 8, 1), name="Q")
    made.alpha = pr.parameter("alpha", 0.2, positive=True)
    made.kappa = pr.state("kappa", 0.0)
    for scalar in (made.alpha, made.kappa):
        pr.graph.cells.tensor_of(scalar.cell)
    return made


def loose(x: SimpleNamespace) -> Any:
    """The variable of a recursion, carried out of the body."""
    kept: list[Any] = []

    def body(G: Any) -> Any:
        kept.append(G)
        return x.u + 0.9 * G

    pr.recursion(body, init=0, over="time")
    return kept[-1]


CORPUS = [
    # --- Python that has no meaning on a formula ---------------------------------------------------------------
    Wrong(
        "truth of an expression",
        lambda x: x.A if x.A > 0 else 0,
        lambda x: pr.where(x.A > 0, x.A, 0),
        ("A > 0",),
        ("pr.where",),
    ),
    Wrong(
        "truth of an expression", lambda x: max(x.A, x.R), lambda x: pr.maximum(x.A, x.R), ("R > A",), ("pr.maximum",)
    ),
    Wrong(
        "truth of an expression",
        lambda x: x.A > 0 and x.R > 0,
        lambda x: (x.A > 0) * (x.R > 0),
        ("A > 0",),
        ("pr.where",),
    ),
    Wrong("number of an expression", lambda x: float(x.A), lambda x: pr.mean(x.A), ("A",), ("batch",)),
    Wrong("iteration over an expression", lambda x: list(x.v), lambda x: x.v.to_axis("i").at(i=0), ("v",), (".at(",)),
    Wrong("iteration over an expression", lambda x: len(x.v), lambda x: pr.sqnorm(x.v), ("v",), ("formula",)),
    Wrong("slicing by position", lambda x: x.v[0:2], lambda x: x.v.to_axis("i").at(i=0), ("v",), ("x.at(",)),
    # --- tensors in formulas -----------------------------------------------------------------------------------
    Wrong("a tensor in a formula", lambda x: x.A * torch.ones(3), lambda x: x.A * 1.0, ("A",), ("pr.symbols", "batch")),
    Wrong("a tensor in a formula", lambda x: torch.exp(x.A), lambda x: pr.exp(x.A), ("exp", "A"), ("pr.exp",)),
    Wrong(
        "a tensor in a formula",
        lambda x: pr.where(x.A > 0, torch.zeros(3), x.A),
        lambda x: pr.where(x.A > 0, 0, x.A),
        (),
        ("pr.symbols",),
    ),
    Wrong(
        "a distribution in a formula",
        lambda x: x.A * x.pi,
        lambda x: x.A * x.pi(x.s).prob(x.a),
        (r"\pi",),
        (".log_prob", ".draw()"),
    ),
    Wrong(
        "a distribution in a formula",
        lambda x: x.A * x.pi(x.s),
        lambda x: x.A * x.pi(x.s).log_prob(x.a),
        (),
        (".log_prob", ".draw()"),
    ),
    Wrong(
        "text in a formula",
        lambda x: x.A + "beta",
        lambda x: x.A + pr.constant("beta", 1.0),
        ("beta",),
        ("expressions and numbers",),
    ),
    # --- ranks -------------------------------------------------------------------------------------------------
    Wrong(
        "ranks",
        lambda x: x.v + pr.exp(x.pi(x.s).log_prob(x.a)),
        lambda x: pr.sqnorm(x.v) + pr.exp(x.pi(x.s).log_prob(x.a)),
        ("v",),
        ("pr.sqnorm",),
    ),
    Wrong(
        "ranks",
        lambda x: pr.Minimize(pr.mean(x.V(x.o) * x.v), wrt=x.V),
        lambda x: pr.Minimize(pr.mean(x.V(x.o) * pr.sqnorm(x.v)), wrt=x.V),
        ("v",),
        ("pr.sqnorm",),
    ),
    Wrong(
        "a symbol used twice",
        lambda x: pr.Program(pr.Report(k=pr.mean(x.mu(x.s).log_prob(x.A) + x.pi(x.s).log_prob(x.A)))),
        lambda x: pr.Program(pr.Report(k=pr.mean(x.mu(x.s).log_prob(x.v) + x.pi(x.s).log_prob(x.A)))),
        ("'A'",),
        ("pr.symbols('A', rank=1)",),
    ),
    # --- axes --------------------------------------------------------------------------------------------------
    Wrong(
        "an axis reduced twice",
        lambda x: x.Q(x.s, x.a).min("i").min("i"),
        lambda x: x.Q(x.s, x.a).min("i"),
        ("min", "Q"),
        ("reduced already",),
    ),
    Wrong(
        "an axis reduced twice", lambda x: pr.mean(pr.mean(x.A)), lambda x: pr.mean(x.A), ("mean",), ("taken already",)
    ),
    Wrong(
        "an index axis left",
        lambda x: pr.mean(x.Q(x.s, x.a)),
        lambda x: pr.mean(x.Q(x.s, x.a).mean("i")),
        ("Q", "'i'"),
        ("x.mean('i')",),
    ),
    Wrong(
        "an index axis left",
        lambda x: pr.sum((x.Q(x.s, x.a) - x.A) ** 2),
        lambda x: pr.sum(((x.Q(x.s, x.a) - x.A) ** 2).sum("i")),
        ("Q", "'i'"),
        ("x.sum('i')",),
    ),
    Wrong(
        "an unknown axis", lambda x: x.Q(x.s, x.a).min("k"), lambda x: x.Q(x.s, x.a).min("i"), ("Q", "'k'"), ("it has",)
    ),
    Wrong(
        "an unnamed axis",
        lambda x: pr.stack([x.Q(x.s, x.a), x.Q(x.s, x.a)], "k").min(),
        lambda x: pr.stack([x.Q(x.s, x.a), x.Q(x.s, x.a)], "k").min("i", "k"),
        ("'i'", "'k'"),
        ("name the one",),
    ),
    Wrong("an unnamed axis", lambda x: x.A.max(), lambda x: pr.data_max(x.A), ("A",), ("index axis",)),
    Wrong(
        "the same axis twice",
        lambda x: x.Q(x.s, x.Q(x.s, x.a)),
        lambda x: x.Q(x.s, x.Q(x.s, x.a).rename(i="j")),
        ("Q", "'i'"),
        ("rename",),
    ),
    Wrong(
        "the same axis twice",
        lambda x: x.v.to_axis("i").rename(i="batch"),
        lambda x: x.v.to_axis("i").rename(i="j"),
        ("v", "'batch'"),
        ("choose another name",),
    ),
    Wrong(
        "the same axis twice",
        lambda x: x.u + pr.symbols("w", axes="time"),
        lambda x: x.u + pr.symbols("w", axes=x.time),
        ("'time'", "'valid'"),
        ("declare it once",),
    ),
    Wrong(
        "two sources of data", lambda x: x.A + x.e, lambda x: pr.mean(x.A) + pr.mean(x.e), ("A", "e"), ("reduce each",)
    ),
    Wrong(
        "an event without coordinates",
        lambda x: x.V(x.s).to_axis("i"),
        lambda x: x.v.to_axis("i"),
        ("V",),
        ("no event dimension",),
    ),
    Wrong(
        "a data axis in the event",
        lambda x: x.u.to_event("time"),
        lambda x: x.v.to_axis("i").to_event("i"),
        ("u", "'time'"),
        ("axis of the data",),
    ),
    Wrong(
        "an index that is a vector",
        lambda x: x.v.to_axis("i").at(i=x.v),
        lambda x: x.v.to_axis("i").at(i=x.a),
        ("v",),
        ("an index is a scalar",),
    ),
    # --- time --------------------------------------------------------------------------------------------------
    Wrong("next without a mask", lambda x: pr.next(x.plain), lambda x: pr.next(x.u), ("x_t",), ("mask='valid'",)),
    Wrong("time without an axis", lambda x: pr.prev(x.A), lambda x: pr.prev(x.u), ("A",), ("axes='time'",)),
    Wrong(
        "a recursion without its axis",
        lambda x: pr.recursion(lambda G: x.r + 0.9 * G, init=0, over="time"),
        lambda x: pr.recursion(lambda G: x.u + 0.9 * G, init=0, over="time"),
        ("'time'", "r"),
        ("axes='time'",),
    ),
    Wrong(
        "a recursion from a start at every index",
        lambda x: pr.recursion(lambda G: x.u + 0.9 * G, init=x.ended, over="time"),
        lambda x: pr.recursion(lambda G: x.u + 0.9 * G, init=x.r, over="time"),
        ("'time'", "ended"),
        (".at(time=0)",),
    ),
    Wrong(
        "a report under a name that is taken",
        lambda x: pr.Report(stop=pr.mean(x.A)),
        lambda x: pr.Report(mean=pr.mean(x.A)),
        ("stop",),
        ("another name",),
    ),
    Wrong(
        "a recursion of another number of states",
        lambda x: pr.recursion(lambda G, H: x.u + 0.9 * G, init=0, over="time"),
        lambda x: pr.recursion(lambda G: x.u + 0.9 * G, init=0, over="time"),
        ("G, H",),
        ("init",),
    ),
    Wrong(
        "a recursion of another number of states",
        lambda x: pr.recursion(lambda G, H: (x.u, G, H), init=(0, 0), over="time"),
        lambda x: pr.recursion(lambda G, H: (x.u, G), init=(0, 0), over="time"),
        ("3 states",),
        ("init",),
    ),
    Wrong(
        "an unbound symbol",
        lambda x: pr.Minimize(pr.mean(x.V(x.s) * loose(x)), wrt=x.V),
        lambda x: pr.Minimize(pr.mean(x.V(x.s) * pr.recursion(lambda G: x.u + G, init=0, over="time")), wrt=x.V),
        ("G", "V(s)"),
        ("pr.recursion",),
    ),
    Wrong(
        "an unbound symbol",
        lambda x: pr.Program(pr.Prepare(B=x.u + loose(x))),
        lambda x: pr.Program(pr.Prepare(B=x.u + pr.recursion(lambda G: x.u + G, init=0, over="time"))),
        ("u + G",),
        ("pr.recursion",),
    ),
    Wrong(
        "a mean over a recursion's own axis",
        lambda x: pr.recursion(lambda G: x.u + pr.mean(G), init=0, over="time"),
        lambda x: pr.recursion(lambda G: x.u + G, init=0, over="time"),
        ("G",),
        ("pr.mean",),
    ),
    # --- distributions -----------------------------------------------------------------------------------------
    Wrong(
        "a log-probability of a point mass",
        lambda x: x.V(x.s).log_prob(x.A),
        lambda x: x.mu(x.s).log_prob(x.v),
        ("V",),
        ("pr.Normal",),
    ),
    Wrong(
        "an entropy of a point mass",
        lambda x: x.V(x.s).entropy(),
        lambda x: x.mu(x.s).entropy(),
        ("V(s)",),
        ("pr.Normal",),
    ),
    Wrong(
        "a divergence from what is none",
        lambda x: x.pi(x.s).kl(x.A),
        lambda x: x.pi(x.s).kl(x.pi.old(x.s)),
        (r"\pi(a | s)", "A"),
        (".kl(pi(s))",),
    ),
    Wrong(
        "a declaration that is none",
        lambda x: pr.Categorical("a || s"),
        lambda x: pr.Categorical("a | s"),
        ("a || s",),
        ("'a | s, g'",),
    ),
    Wrong(
        "draws without an axis",
        lambda x: x.pi(x.s).draw(16),
        lambda x: x.pi(x.s).draw(16, "k"),
        (r"\pi(a | s)",),
        ("name of the new axis",),
    ),
    Wrong(
        "draws without an axis",
        lambda x: pr.noise(like=x.A, n=3),
        lambda x: pr.noise(like=x.A, n=3, axis="k"),
        (),
        ("axis=...",),
    ),
    Wrong(
        "a divergence over different supports",
        lambda x: x.pi(x.s).kl(x.mu(x.s)),
        lambda x: x.pi(x.s).kl(x.pi.old(x.s)),
        (r"\pi(a | s)", r"\mu(c | s)"),
        ("same values",),
    ),
    Wrong(
        "a ratio over different supports",
        lambda x: x.pi(x.s).prob(x.a) / x.mu(x.s).prob(x.a),
        lambda x: x.pi(x.s).prob(x.a) / x.pi.old(x.s).prob(x.a),
        (r"\pi", r"\mu"),
        ("one family",),
    ),
    Wrong("a missing condition", lambda x: x.Q(x.s), lambda x: x.Q(x.s, x.a), ("Q",), ("write Q(s, a)",)),
    Wrong("too many conditions", lambda x: x.pi(x.s, x.a), lambda x: x.pi(x.s), (r"\pi",), (r"write \pi(s)",)),
    # --- calculus ----------------------------------------------------------------------------------------------
    Wrong(
        "a derivative by what does not occur",
        lambda x: pr.grad(pr.sqnorm(x.v), x.o),
        lambda x: pr.grad(pr.sqnorm(x.v), x.v),
        ("v", "o"),
        ("does not occur",),
    ),
    Wrong(
        "a gradient of a vector",
        lambda x: pr.grad(x.v * 2, x.v),
        lambda x: pr.grad(pr.dot(x.v, x.v), x.v),
        ("v",),
        ("pr.dot", "pr.jvp"),
    ),
    Wrong(
        "a gradient of a mean",
        lambda x: pr.grad(pr.mean(pr.sqnorm(x.v)), x.v),
        lambda x: pr.grad(pr.sqnorm(x.v), x.v),
        ("mean",),
        ("leave out the mean",),
    ),
    Wrong(
        "a jvp whose argument is not named",
        lambda x: pr.jvp(x.Q(x.o, pr.tanh(x.o)).mean("i"), {x.o: x.v}),
        lambda x: pr.jvp(x.Q(x.o, pr.tanh(x.o)).mean("i"), {x.o: x.v, pr.tanh(x.o): x.v}),
        ("Q", "tanh"),
        ("name it too",),
    ),
    Wrong(
        "a divergence of a scalar",
        lambda x: pr.divergence(pr.sqnorm(x.v), x.v),
        lambda x: pr.divergence(x.v * 2, x.v),
        ("v",),
        ("vectors",),
    ),
    # --- programs ----------------------------------------------------------------------------------------------
    Wrong(
        "a loss with rows",
        lambda x: pr.Minimize((x.V(x.s) - x.R) ** 2, wrt=x.V),
        lambda x: pr.Minimize(pr.mean((x.V(x.s) - x.R) ** 2), wrt=x.V),
        ("V", "'batch'"),
        ("pr.mean",),
    ),
    Wrong(
        "wrt that is not reached",
        lambda x: pr.Minimize(pr.mean((x.V(x.s) - x.R) ** 2), wrt=x.pi),
        lambda x: pr.Minimize(pr.mean((x.V(x.s) - x.R) ** 2), wrt=x.V),
        ("V", r"\pi"),
        ("take it out of wrt",),
    ),
    Wrong(
        "wrt that is not reached",
        lambda x: pr.Minimize(pr.mean(pr.stop_gradient(x.V(x.s)) - x.R), wrt=x.V),
        lambda x: pr.Minimize(pr.mean(x.V(x.s) - x.R), wrt=x.V),
        ("V",),
        ("stop-gradient",),
    ),
    Wrong(
        "wrt that is not reached",
        lambda x: pr.Minimize(pr.mean(x.V.frozen(x.s) * x.A), wrt=x.V),
        lambda x: pr.Minimize(pr.mean(x.V(x.s) * x.A), wrt=x.V),
        ("V",),
        ("another role",),
    ),
    Wrong(
        "wrt that does not move",
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=x.A),
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V),
        ("wrt=A",),
        ("wrt=pi",),
    ),
    Wrong(
        "wrt that does not move",
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt={x.V: 3e-4}),
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt={x.V: pr.Adam(3e-4)}),
        ("0.0003",),
        ("pr.Adam(3e-4)",),
    ),
    Wrong(
        "an empty wrt",
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=[]),
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=[x.V]),
        (),
        ("wrt=[pi, V]",),
    ),
    Wrong(
        "a draw without a gradient",
        lambda x: pr.Minimize(pr.mean(x.V(x.s) * x.pi(x.s).draw() + x.pi(x.s).entropy()), wrt=[x.pi]),
        lambda x: pr.Minimize(pr.mean(x.V(x.s) * pr.stop_gradient(x.pi(x.s).draw()) + x.pi(x.s).entropy()), wrt=[x.pi]),
        (r"\pi",),
        ("pr.expect", "straight-through"),
    ),
    Wrong(
        "a role that nothing moves",
        lambda x: pr.Program(pr.Minimize(pr.mean((x.V(x.s) - x.V.target(x.s_next)) ** 2), wrt=x.V)),
        lambda x: pr.Program(
            pr.Minimize(pr.mean((x.V(x.s) - x.V.target(x.s_next)) ** 2), wrt=x.V), pr.Polyak(x.V.target, tau=0.005)
        ),
        ("V.target",),
        ("pr.Polyak",),
    ),
    Wrong(
        "a role that nothing moves",
        lambda x: pr.Program(pr.Minimize(pr.mean(x.pi(x.s).kl(x.pi.old(x.s))), wrt=x.pi)),
        lambda x: pr.Program(pr.Snapshot(x.pi.old), pr.Minimize(pr.mean(x.pi(x.s).kl(x.pi.old(x.s))), wrt=x.pi)),
        ("old",),
        ("pr.Snapshot",),
    ),
    Wrong(
        "a role that is not moved so",
        lambda x: pr.Polyak(x.V.reference, tau=0.1),
        lambda x: pr.Polyak(x.V.target, tau=0.1),
        ("V", "reference"),
        ("V.target",),
    ),
    Wrong(
        "a role that is not moved so",
        lambda x: pr.Polyak(x.V, tau=0.1),
        lambda x: pr.Polyak(x.V.target, tau=0.1),
        ("V",),
        ("target",),
    ),
    Wrong(
        "a recursion on shuffled rows",
        lambda x: pr.Program(
            pr.Fit(
                pr.Minimize(
                    pr.mean((pr.recursion(lambda G: x.u + 0.9 * G, init=0, over="time") - x.V(x.s)) ** 2), wrt=x.V
                ),
                minibatch=8,
            )
        ),
        lambda x: pr.Program(
            pr.Fit(
                pr.Minimize(
                    pr.mean((pr.recursion(lambda G: x.u + 0.9 * G, init=0, over="time") - x.V(x.s)) ** 2), wrt=x.V
                ),
                minibatch=8,
                unit="episode",
            )
        ),
        ("time",),
        ("pr.Prepare", "unit='episode'"),
    ),
    Wrong(
        "a look along time on shuffled rows",
        lambda x: pr.Program(pr.Fit(pr.Minimize(pr.mean(x.V(x.s) * x.u.mean("time")), wrt=x.V), minibatch=8)),
        lambda x: pr.Program(
            pr.Fit(pr.Minimize(pr.mean(x.V(x.s) * x.u.mean("time")), wrt=x.V), minibatch=8, unit="episode")
        ),
        ("[u]", "'time'"),
        ("pr.Prepare", "unit='episode'"),
    ),
    Wrong(
        "a column prepared twice",
        lambda x: pr.Program(pr.Prepare(B=x.A * 2), pr.Prepare(B=x.A * 3)),
        lambda x: pr.Program(pr.Prepare(B=x.A * 2), pr.Prepare(C=x.A * 3)),
        ("'B'",),
        ("name the second",),
    ),
    Wrong(
        "a stop that is no number",
        lambda x: pr.Fit(pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V), stop=x.A > 0),
        lambda x: pr.Fit(pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V), stop=pr.mean(x.A) > 0),
        ("1[A > 0]",),
        ("pr.mean",),
    ),
    Wrong(
        "a column without rows",
        lambda x: pr.Prepare(B=pr.mean(x.A)),
        lambda x: pr.Prepare(B=x.A - pr.mean(x.A)),
        ("mean",),
        ("where it is used",),
    ),
    Wrong(
        "a loss for a step",
        lambda x: pr.Program(pr.mean(x.V(x.s))),
        lambda x: pr.Program(pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V)),
        ("V",),
        ("pr.Minimize",),
    ),
    Wrong(
        "an assignment to a parameter",
        lambda x: pr.Assign(x.alpha, pr.mean(x.A)),
        lambda x: pr.Assign(x.kappa, pr.mean(x.A)),
        ("α",),
        ("pr.state",),
    ),
    Wrong(
        "two steps that move one thing together",
        lambda x: pr.Together(pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V), pr.Minimize(pr.mean(x.V(x.s) ** 2), wrt=x.V)),
        lambda x: pr.Program(pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V), pr.Minimize(pr.mean(x.V(x.s) ** 2), wrt=x.V)),
        ("V",),
        ("one loss",),
    ),
    Wrong(
        "a tensor in a formula",
        lambda x: pr.constant("c", torch.tensor(1.0)),
        lambda x: pr.constant("c", float(1)),
        ("'c'",),
        ("float(x)",),
    ),
    # --- scalars -----------------------------------------------------------------------------------------------
    Wrong(
        "a parameter out of its bounds",
        lambda x: pr.parameter("tau", -1.0, positive=True),
        lambda x: pr.parameter("tau", 1.0, positive=True),
        ("tau", "-1.0"),
        ("positive",),
    ),
    Wrong(
        "a parameter out of its bounds",
        lambda x: pr.parameter("tau", 2.0, bounds=(0, 1)),
        lambda x: pr.parameter("tau", 0.5, bounds=(0, 1)),
        ("tau", "2.0"),
        ("bounds",),
    ),
    # --- amounts and counts ------------------------------------------------------------------------------------
    Wrong(
        "an amount that is no number",
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V, optimizer=pr.Adam(x.A)),
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V, optimizer=pr.Adam(3e-4 * (1 - pr.progress))),
        ("A", "'batch'"),
        ("lr", "pr.mean"),
    ),
    Wrong(
        "an amount that is no number",
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V, max_grad_norm=-0.5),
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V, max_grad_norm=0.5),
        ("-0.5",),
        ("max_grad_norm", "positive"),
    ),
    Wrong(
        "an amount that is no number",
        lambda x: pr.Polyak(x.V.target, tau=0.01 * x.A),
        lambda x: pr.Polyak(x.V.target, tau=0.01 * (1 - pr.progress)),
        ("0.01 A",),
        ("pr.Polyak(tau=...)", "pr.mean(...)"),
    ),
    Wrong(
        "an amount that is no number",
        lambda x: pr.Polyak(x.V.target, tau=1.5),
        lambda x: pr.Polyak(x.V.target, tau=1.0),
        ("1.5",),
        ("tau=0.005",),
    ),
    Wrong(
        "an amount that is no number",
        lambda x: pr.Assign(x.kappa, pr.mean(x.A), when=x.A > 0),
        lambda x: pr.Assign(x.kappa, pr.mean(x.A), when=pr.iteration < 1),
        ("1[A > 0]",),
        ("when", "pr.mean"),
    ),
    Wrong(
        "a count that is none",
        lambda x: pr.Every(2.5, pr.Snapshot(x.V.old)),
        lambda x: pr.Every(2, pr.Snapshot(x.V.old)),
        ("2.5",),
        ("positive whole number",),
    ),
    Wrong(
        "a count that is none",
        lambda x: pr.Fit(pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V), minibatch="64"),
        lambda x: pr.Fit(pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V), minibatch=64),
        ("'64'",),
        ("minibatch", "positive whole number"),
    ),
    Wrong(
        "a loss for a step",
        lambda x: pr.Fit(pr.mean(x.V(x.s))),
        lambda x: pr.Fit(pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V)),
        ("V",),
        ("pr.Fit", "pr.Minimize"),
    ),
    Wrong(
        "an optimiser that is none",
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V, optimizer=3e-4),
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V, optimizer=pr.Adam(3e-4)),
        ("0.0003",),
        ("optimizer=pr.Adam(3e-4)",),
    ),
    Wrong(
        "a comparison of formulas",
        lambda x: pr.mean((x.a == 1) * x.A),
        lambda x: pr.mean(pr.equal(x.a, 1) * x.A),
        ("beside A",),
        ("pr.equal(x, y)",),
    ),
    Wrong(
        "logic of indicators",
        lambda x: (x.A > 0) & (x.R > 0),
        lambda x: (x.A > 0) * (x.R > 0),
        ("1[A > 0]",),
        ("(x < y) * (y < z)",),
    ),
    Wrong(
        "logic of indicators",
        lambda x: ~(x.A > 0),
        lambda x: 1 - (x.A > 0),
        ("1[A > 0]",),
        ("1 - (x < y)",),
    ),
    Wrong(
        "logic of indicators",
        lambda x: (x.A > 0) | (x.R > 0),
        lambda x: pr.maximum(x.A > 0, x.R > 0),
        ("1[A > 0]",),
        ("pr.maximum",),
    ),
    Wrong(
        "a product of matrices",
        lambda x: x.v @ x.o,
        lambda x: pr.dot(x.v, x.o),
        ("v: @",),
        ("pr.dot(x, y)",),
    ),
    Wrong(
        "numpy on a formula",
        lambda x: np.exp(x.pi(x.s).log_prob(x.a)),
        lambda x: pr.exp(np.float64(2) * x.pi(x.s).log_prob(x.a)),
        ("log π(a | s)",),
        ("numpy.exp", "pr.exp(...)"),
    ),
    Wrong(
        "an index that is none",
        lambda x: x.Q(x.s, x.a)[0.5],
        lambda x: x.Q(x.s, x.a)[0],
        ("Q_i(s, a)[0.5]",),
        ("whole number",),
    ),
    Wrong(
        "bounds the wrong way round",
        lambda x: pr.clip(x.A, 1.2, 0.8),
        lambda x: pr.clip(x.A, 0.8, 1.2),
        ("1.2, 0.8",),
        ("lower bound comes first",),
    ),
    Wrong(
        "a class for a network",
        lambda x: pr.Normal("a | s", torch.nn.Linear),
        lambda x: pr.Normal("a | s", torch.nn.Linear(4, 2)),
        ("pr.Normal", "Linear"),
        ("Linear(...)",),
    ),
    Wrong(
        "a gradient that a draw cuts",
        lambda x: pr.Minimize(pr.mean(pr.stack([x.A, x.R], "k").at(k=x.pi(x.s).draw())), wrt=x.pi),
        lambda x: pr.Minimize(
            pr.mean(pr.expect(lambda b: pr.stack([x.A, x.R], "k").at(k=b), over=x.pi(x.s).draw(), how="exact")),
            wrt=x.pi,
        ),
        ("ã", "\\pi"),
        ("pr.expect",),
    ),
    Wrong(
        "an applied distribution called",
        lambda x: x.pi(x.s)(x.a),
        lambda x: x.pi(x.s).prob(x.a),
        ("\\pi(a | s)",),
        (".log_prob(x)",),
    ),
    Wrong(
        "a name that is a number",
        lambda x: pr.symbols("s 1"),
        lambda x: pr.symbols("s x1"),
        ("'1'",),
        ("begins with a letter",),
    ),
    Wrong(
        "weights in wrt",
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=list(x.V.parameters())),
        lambda x: pr.Minimize(pr.mean(x.V(x.s)), wrt=x.V),
        ("Parameter of shape (8, 4)",),
        ("the module that has them",),
    ),
]

"""Law 1 on whole algorithms: every expression of every program, against the independent interpreter, in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest
import torch

import probrl as pr
from probrl.expr import nodes as n
from probrl.expr.traversal import executed, walk
from probrl.graph.function import Function
from probrl.graph.noise import draw
from probrl.training.catalogue import algorithm_class
from tests.algorithms import NAMES, fitting
from tests.laws.interpreter import Interpreter
from tests.programs.declared import PROGRAMS, Batch, Declared, rollout

CLOSE = 1e-6
EVENTS = {"h": (6,), "z": (4,)}  # of the world model's states, which start from the number 0


def v_trace() -> Declared:
    """Off-policy returns on whole episodes: a recursion whose result is read at the next index."""
    time = pr.Axis("time", mask="valid")
    s, a, r, terminated, ended = pr.symbols("s a r terminated ended", axes=time)
    gamma, lam = pr.constant("gamma", 0.99), pr.constant("lambda", 0.95)
    pi = pr.Categorical("a | s", pr.mlp(4, 8, 2), name=r"\pi")
    V = pr.Deterministic("v | s", pr.mlp(4, 8, 1), name="V")
    w = pr.exp(pi(s).log_prob(a) - pi.behavior(s).log_prob(a))
    rho, c, live = pr.minimum(1.0, w), lam * pr.minimum(1.2, w), gamma * (1 - terminated)
    d = pr.recursion(
        lambda d: rho * (r + live * pr.next(V(s)) - V(s)) + gamma * (1 - ended) * c * d,
        init=0,
        over="time",
        reverse=True,
    )
    v_new = V(s) + d
    advantage = pr.clip(pr.standardize(rho * (r + live * pr.next(v_new) - V(s))), -10, 10)
    loss = pr.mean(
        -pr.minimum(pr.exp(advantage), 5.0) * pi(s).log_prob(a) + 0.1 * (V(s) - pr.stop_gradient(v_new)) ** 2
    )
    return Declared(pr.Program(pr.Minimize(loss, wrt=[pi, V])), rollout(), {"pi": pi, "V": V}, {}, {})


def mean_flow() -> Declared:
    """A target with a directional derivative of the network itself."""
    x, c = pr.symbols("x c", rank=1)
    u = pr.Deterministic("u | x_t, r, t, c", pr.mlp(2 + 1 + 1 + 3, 8, 2), name="u", rank=1)
    t1, t2 = (pr.sigmoid(pr.noise(like=pr.sum_event(x))) for _ in range(2))
    e = pr.noise(like=x)
    t, r = pr.maximum(t1, t2), pr.minimum(t1, t2)
    x_t, v = (1 - t) * x + t * e, e - x
    now = u(x_t, r, t, c)
    target = v - (t - r) * pr.jvp(now, {x_t: v, r: 0, t: 1})
    loss = pr.mean(pr.sqnorm(now - pr.stop_gradient(target)) + 0.1 * pr.sqnorm(now - target))
    batch = {"x": torch.randn(6, 2), "c": torch.randn(6, 3)}
    return Declared(pr.Program(pr.Minimize(loss, wrt=u)), batch, {"u": u}, {}, {})


def adjoint_matching() -> Declared:
    """A recursion of gradients, backwards along a chain."""
    x, s = pr.symbols("x", rank=1, axes="k"), pr.symbols("s")
    v = pr.Deterministic("v | x, s", pr.mlp(2 + 3, 8, 2), name="v", rank=1)
    Q = pr.Deterministic("q | x", pr.mlp(2, 8, 1), name="Q")
    x_end = pr.symbols("x_end", rank=1)
    terminal = -1.0 * pr.grad(Q(x_end), x_end)
    drift = v.frozen(x, s)
    adjoint = pr.recursion(lambda y: y + 0.1 * pr.grad(pr.dot(drift, y), x), init=terminal, over="k", reverse=True)
    loss = pr.mean(pr.sqnorm(v(x, s) - pr.stop_gradient(adjoint)))
    batch = {"x": torch.randn(3, 4, 2), "s": torch.randn(3, 3), "x_end": torch.randn(3, 2)}
    return Declared(pr.Program(pr.Minimize(loss, wrt=v)), batch, {"v": v, "Q": Q}, {}, {})


def shipped(name: str) -> Declared:
    """An algorithm of the package with everything switched on that it has, on random rows."""
    cls, options = algorithm_class(name), {"clip_vloss": True, "target_kl": 0.02, "ent_coef": 0.01, "hidden": (8,)}
    spaces = SimpleNamespace(observation=SimpleNamespace(size=4), action=SimpleNamespace(n=2))
    made = cls(**fitting(cls, options)).declare(spaces)
    modules = {"pi": made.actor, "V": made.critic}
    return Declared(made.program, rollout(), {k: m for k, m in modules.items() if m is not None}, {}, {})


ALL: dict[str, Callable[[], Declared]] = {
    **PROGRAMS,
    **{f"algorithm_{name}": partial(shipped, name) for name in NAMES},
    "v_trace": v_trace,
    "mean_flow": mean_flow,
    "adjoint_matching": adjoint_matching,
}


def wide(batch: Batch) -> Batch:
    return {k: v.double() if v.is_floating_point() else v for k, v in batch.items()}


def noise_of(function: Function, batch: Batch) -> dict[n.Noise, torch.Tensor]:
    shapes = function.noise_shapes(batch, None)
    return {
        x: draw(x, s, torch.float64, torch.device("cpu"), None) for x, s in zip(function.noises, shapes, strict=True)
    }


def perturbed(program: pr.Program) -> None:
    """Gives every copy values of its own, so that a role that is mistaken for another is seen."""
    for net, role in program.roles:
        if role not in ("live", "frozen", "behavior"):
            for tensor in net.tensors(role).values():
                tensor.add_(0.1 * torch.randn_like(tensor))


@pytest.mark.parametrize("name", ALL)
def test_every_expression_is_what_the_interpreter_says(name):
    torch.manual_seed(3)
    declared = ALL[name]()
    for module in declared.modules.values():
        module.double()
    perturbed(declared.program)
    batch = wide(declared.batch)
    parameters = [p for module in declared.modules.values() for p in module.parameters()]
    expressions = [x for x in declared.program.expressions_ if x.type.rank is not None]
    assert expressions
    for step in declared.program.walk():
        for key, x in step.expressions().items():
            x = declared.program.settled(x)
            function = Function({"value": x})
            noise = noise_of(function, batch)
            value = function(batch, noise=noise)["value"]
            truth = Interpreter(batch, noise, events=EVENTS)(x)
            counted = weights(x, batch, truth)
            scale = 1 + float(truth.detach().abs().max())
            assert float(((value - truth) * counted).detach().abs().max()) / scale < CLOSE, f"{name}: {key}"
            same_gradients((value * counted).sum(), (truth * counted).sum(), parameters, scale)
            if isinstance(step, pr.Prepare):
                batch = {**batch, key: truth.detach()}


def weights(x, batch: Batch, truth: torch.Tensor) -> torch.Tensor:
    """1 for the rows that count: what stands in the others means nothing."""
    masks = [a.mask for a in x.type.axes if a.mask]
    shown = torch.ones_like(truth)
    return shown * batch[masks[0]].reshape(*batch[masks[0]].shape, *([1] * (truth.dim() - 2))) if masks else shown


def same_gradients(value: torch.Tensor, truth: torch.Tensor, parameters: list, scale: float) -> None:
    if not value.requires_grad:
        assert not truth.requires_grad or all(
            g is None or not g.any() for g in torch.autograd.grad(truth, parameters, allow_unused=True)
        )
        return
    ours = torch.autograd.grad(value, parameters, allow_unused=True)
    theirs = (
        torch.autograd.grad(truth, parameters, allow_unused=True) if truth.requires_grad else [None] * len(parameters)
    )
    for p, a, b in zip(parameters, ours, theirs, strict=True):
        a, b = (torch.zeros_like(p) if g is None else g for g in (a, b))
        assert float((a - b).abs().max()) / (scale + float(b.abs().max())) < CLOSE


def test_recursions_and_derivatives_occur():
    found = {type(x) for name in ALL for x in walk(*ALL[name]().program.expressions_, through=executed)}
    assert {n.Recursion, n.Derivative, n.Shift, n.At, n.Noise, n.StopGradient} <= found

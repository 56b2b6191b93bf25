"""Law 1: what is printed is what is executed: graph, sympy and an independent interpreter agree on random formulas."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import probrl
from probrl.expr import nodes as n
from probrl.expr.traversal import everything, walk
from probrl.graph.function import Function
from probrl.graph.traced import Functional
from probrl.symbolic import reading
from tests.laws.cases import CLOSE, COUNT, Case, cases, gradients, make, world

TOGETHER = 10  # formulas that are traced together


def test_every_node_occurs():
    counts = Counter()
    for case in cases():
        counts.update({type(x).__name__ for x in walk(case.expr, through=everything)})
    rare = {t.__name__: counts[t.__name__] for t in n.NODES if counts[t.__name__] < 50}
    assert not rare, f"formulas out of {COUNT} in which a node occurs, below 50: {rare}"
    roles = Counter(x.role for c in cases() for x in walk(c.expr, through=everything) if isinstance(x, n.Call))
    assert min(roles[r] for r in ("live", "old", "target", "frozen")) >= 50, roles


def executed(case: Case) -> float:
    value = case.expr(world().batch, noise=case.noise)
    return case.error(value.detach(), gradients(value, world().parameters()))


def test_the_graph_agrees_with_the_interpreter():
    wrong = {c.seed: e for c in cases() if not (e := executed(c)) < CLOSE}
    assert not wrong, f"{len(wrong)} of {COUNT} disagree: {wrong}"


@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(COUNT * 10, 2**32))
def test_any_other_formula_agrees_too(seed):
    case = make(seed)
    assert case is None or executed(case) < CLOSE


def test_the_source_runs_on_its_own():
    wrong = {}
    for case in cases(54):
        space: dict = {}
        exec(compile(case.expr.code, "<code>", "exec"), space)
        function = Function({"value": case.expr})
        (value,) = space["forward"](**function.networks(), **function.bind(world().batch, noise=case.noise))
        error = case.error(value.detach(), gradients(value, world().parameters()))
        if not error < CLOSE:
            wrong[case.seed] = error
    assert not wrong


def test_a_definition_of_a_known_name_runs_as_its_author_says():
    @probrl.definition("clip")
    def clip(x, low, high):
        return x + low + high

    x = probrl.symbols("x")
    assert clip(x, 1, 2)({"x": torch.tensor([5.0])}).tolist() == [8.0]


def symbolic(case: Case) -> float:
    """The disagreement of the lambdified sympy reading, which gets the values of networks, recursions and derivatives."""
    found = reading(case.expr)
    values, tensors = {}, {}
    for node in found.leaves.values():
        if isinstance(node, n.Symbol) and node.depth is None:
            values[node] = world().batch[node.name].numpy()
        elif isinstance(node, (n.Call, n.Item, n.Derivative, n.Recursion, n.State, n.Noise)) and not _bound(node):
            tensors[node] = case.truth(node)
            values[node] = tensors[node].detach().numpy()
    result = found.evaluate(values, gradients=True)
    moved = [(t, result.gradients[x]) for x, t in tensors.items() if x in result.gradients and t.requires_grad]
    total = sum([(t * torch.from_numpy(g.copy())).sum() for t, g in moved], torch.zeros(()))
    return case.error(torch.tensor(float(result.value)), gradients(total, world().parameters()))


def _bound(node) -> bool:
    """Whether a node is inside a recursion's body, where it has no value of its own."""
    inside = [x for x in walk(node, through=everything) if isinstance(x, n.Recursion)]
    own = {s for r in inside for s in r.states}
    return any(isinstance(x, n.Symbol) and x.depth is not None and x not in own for x in walk(node, through=everything))


def test_the_sympy_reading_agrees_with_the_interpreter():
    wrong = {c.seed: e for c in cases() if not (e := symbolic(c)) < CLOSE}
    assert not wrong, f"{len(wrong)} of {COUNT} disagree: {wrong}"


def compiled(some: list[Case], backend: str) -> list[float]:
    """The disagreements of formulas that are the outputs of one compiled function: of each value, of the joint gradients.

    Driven as an update is: ``torch.func`` differentiates inside what is compiled.
    """
    function = Function({str(c.seed): c.expr for c in some})
    parameters = world().parameters()
    where = {id(p): i for i, p in enumerate(parameters)}
    networks = [Functional(net, role, name, where) for (net, role), name in function.inputs.networks.items()]
    cells = {name: where[id(c.storage)] for c, name in function.inputs.cells.items()}
    noise = {x: v for c in some for x, v in c.noise.items()}
    bound = function.bind(world().batch, noise=noise)

    weights = [1 / c.scale for c in some]

    def outputs(values, given):
        given = {**given, **{name: values[i] for name, i in cells.items()}}
        results = function._forward(**{net.argument: net.bind(values, {}) for net in networks}, **given)
        return sum(w * y for w, y in zip(weights, results, strict=True)), results

    def run(values, given):
        return torch.func.grad(outputs, has_aux=True)(values, given)

    with torch.no_grad():
        slopes, results = torch.compile(run, backend=backend, fullgraph=True)(tuple(parameters), bound)
    errors = [abs(float(y) - c.value) / c.scale for c, y in zip(some, results, strict=True)]
    for i, slope in enumerate(slopes):
        truth = sum(w * c.gradients[i] for w, c in zip(weights, some, strict=True))
        errors.append(float((slope - truth).abs().max()))
    return errors


def traced(some: list[Case], backend: str = "aot_eager") -> None:
    torch._dynamo.reset()
    errors = compiled(some, backend)
    wrong = [f"formula {c.seed}: {e}" for c, e in zip(some, errors, strict=False) if not e < CLOSE]
    assert max(errors) < CLOSE, wrong or f"the gradients of {[c.seed for c in some]} disagree by {max(errors)}"


@pytest.mark.parametrize("group", range(1))
def test_traced_together(group):
    traced(cases((group + 1) * TOGETHER)[group * TOGETHER :])


@pytest.mark.slow
@pytest.mark.parametrize("group", range(20))
def test_traced_together_all(group):
    traced(cases()[group::20])


@pytest.mark.inductor
def test_compiled_together():
    traced(cases()[::33][:30], "inductor")

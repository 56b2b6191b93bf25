"""A minibatch of single rows: with all data axes made one, a formula that reads no other row means the same."""

from __future__ import annotations

import torch

from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.traversal import everything, walk
from probrl.graph.function import Function
from tests.laws.cases import CLOSE, cases, gradients, world
from tests.laws.generator import ROWS, STEPS


def reads_its_own_row(expr: Expr) -> bool:
    """Whether nothing in a formula looks along time, or counts rows that are repeated when they become one per step."""
    for x in walk(expr, through=everything):
        if isinstance(x, (n.Recursion, n.Shift)):
            return False
        if isinstance(x, n.Reduce) and x.over == "data" and x.op == "sum" and "time" not in x.x.type.names:
            return False
        if isinstance(x, n.Reduce) and isinstance(x.over, tuple) and "time" in x.over:
            return False
    return True


def flat(value: torch.Tensor, names: tuple[str, ...]) -> torch.Tensor:
    """A value with one dimension for batch and time; what does not vary along time is repeated."""
    if "batch" not in names:
        return value
    i = names.index("batch")
    if "time" not in names:
        value = value.unsqueeze(i + 1).expand(*value.shape[: i + 1], STEPS, *value.shape[i + 1 :])
    return value.reshape(*value.shape[:i], ROWS * STEPS, *value.shape[i + 2 :])


def test_flat_rows_mean_the_same():
    here = world()
    symbols = (here.r, here.w, here.a, here.u, here.end, here.o, here.x)
    columns = {s.name: flat(here.batch[s.name], s.type.names) for s in symbols}
    columns["valid"] = here.batch["valid"].reshape(-1)
    judged = [c for c in cases(120) if reads_its_own_row(c.expr)]
    assert len(judged) > 50
    wrong = {}
    for case in judged:
        noise = {x: flat(t, x.type.names) for x, t in case.noise.items()}
        value = Function({"value": case.expr}, flat=True)(columns, noise=noise)["value"]
        error = case.error(value.detach(), gradients(value, here.parameters()))
        if not error < CLOSE:
            wrong[case.seed] = error
    assert not wrong

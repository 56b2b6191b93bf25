"""The eager driver computes what its graph says, in another order and with less bookkeeping."""

import math

import pytest
import torch

import probrl as pr
from probrl.graph.descent import judged, judged_on_the_host
from probrl.graph.eager import in_two
from probrl.graph.function import Function

ROWS = 16


def outputs():
    time = pr.Axis("time", mask="valid")
    s, a, A = pr.symbols("s a A", axes=time)
    torch.manual_seed(0)
    pi = pr.Categorical("a | s", pr.mlp(3, 8, 4), name="p")
    V = pr.Deterministic("v | s", pr.mlp(3, 8, 1), name="V")
    log_p, error = pi(s).log_prob(a), (V(s) - A) ** 2
    reports = {
        "entropy": pr.mean(pi(s).entropy()), "A": pr.mean(A), "error": pr.mean(error), "per row": log_p,
        "spread": pr.std(A - V(s)), "number": pr.mean(log_p) * 2, "column": A,
    }  # fmt: skip
    return {"loss": pr.mean(error - log_p * A), **reports}, [*pi.parameters(), *V.parameters()]


def batch():
    generator = torch.Generator().manual_seed(1)
    valid = torch.rand(ROWS, generator=generator) > 0.3
    return {
        "s": torch.randn(ROWS, 3, generator=generator), "a": torch.randint(0, 4, (ROWS,), generator=generator),
        "A": torch.where(valid, torch.randn(ROWS, generator=generator), 7.0), "valid": valid,
    }  # fmt: skip


def test_the_graph_in_two_has_the_values_and_gradients_of_the_whole():
    formulas, parameters = outputs()
    function = Function(formulas, flat=True)
    bound = {**function.networks(), **function.bind(batch())}
    whole, parts = function._forward(**bound), in_two(function.module, 1)(**bound)
    torch.testing.assert_close(parts, whole)
    for one, other in zip(*(torch.autograd.grad(x[0], parameters) for x in (whole, parts)), strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)
    traced = {name for name, x in zip(formulas, parts, strict=True) if x.requires_grad}
    assert "loss" in traced and traced.isdisjoint(("entropy", "error", "spread", "number"))


def test_every_result_may_be_an_input_or_have_a_gradient():
    formulas, _ = outputs()
    function = Function(formulas, flat=True)
    bound = {**function.networks(), **function.bind(batch())}
    for first in range(len(formulas) + 1):
        torch.testing.assert_close(in_two(function.module, first)(**bound), function._forward(**bound))


NUMBERS = [torch.tensor([3.0, 4.0]), torch.tensor(12.0)]
CASES = {
    "plain": (NUMBERS, 1.0, [], None), "clipped": (NUMBERS, 1.0, [], 0.5), "within": (NUMBERS, 1.0, [], 20.0),
    "stopped": (NUMBERS, 1.0, [torch.tensor(1.0)], 0.5), "going on": (NUMBERS, 1.0, [torch.tensor(False)], 0.5),
    "loss is nan": (NUMBERS, math.nan, [], 0.5), "loss is infinite": (NUMBERS, math.inf, [], 0.5),
    "gradient is infinite": ([torch.tensor([math.inf])], 1.0, [], None),
    "gradient is nan": ([torch.tensor([math.nan]), torch.tensor([1.0])], 1.0, [], 0.5),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_numbers_of_the_host_judge_alike(case):
    gradients, loss, stop, limit = CASES[case]
    ours, theirs = (f(gradients, torch.tensor(loss), stop, limit) for f in (judged_on_the_host, judged))
    assert [x is None for x in ours] == [x is None for x in theirs]
    for one, other in zip(ours[:3], theirs[:3], strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)
    if limit is not None and ours[2] == 0:
        torch.testing.assert_close(ours[3], theirs[3])

"""Linear recursions by whichever kernel their length chooses: value and gradient are those of the loop."""

from __future__ import annotations

import pytest
import torch

import probrl as pr

SHORT = 24  # up to here a recursion runs one index at a time, beyond by doubling


@pytest.mark.parametrize("length", [1, 2, SHORT, SHORT + 1, 3 * SHORT])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("start", ["none", "number", "column"])
def test_a_linear_recursion_is_the_loop(length, reverse, start):
    a, b = pr.symbols("a b", axes="time")
    init = {"none": 0, "number": 0.5, "column": pr.symbols("h_0")}[start]
    h = pr.recursion(lambda h: b + a * h, init=init, over="time", reverse=reverse)
    batch = {
        "a": torch.rand(3, length, dtype=torch.float64, requires_grad=True),
        "b": torch.randn(3, length, dtype=torch.float64, requires_grad=True),
        "h_0": torch.randn(3, dtype=torch.float64, requires_grad=True),
    }
    current = {"none": torch.zeros(3).double(), "number": torch.full((3,), 0.5).double(), "column": batch["h_0"]}[start]
    rows = [None] * length
    for t in reversed(range(length)) if reverse else range(length):
        current = rows[t] = batch["b"][:, t] + batch["a"][:, t] * current
    expected, found = torch.stack(rows, 1), h(batch)
    torch.testing.assert_close(found, expected)
    weights, leaves = torch.randn_like(expected), [batch["a"], batch["b"]]
    ours, theirs = (torch.autograd.grad((x * weights).sum(), leaves, allow_unused=True) for x in (found, expected))
    for mine, other in zip(ours, theirs, strict=True):
        zero = torch.zeros(3, length, dtype=torch.float64)
        torch.testing.assert_close(zero if mine is None else mine, zero if other is None else other)

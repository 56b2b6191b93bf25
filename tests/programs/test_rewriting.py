"""What is rewritten for a CPU computes what it computed, with each thing worked out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from probrl.graph.rewriting import rewritten

aten: Any = torch.ops.aten
ROWS, WIDE = 32, 128


def silu_layer(x: Tensor, w: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """A layer, the next product, and the gradient that comes back through it, as torch decomposes them."""
    z = torch.addmm(b, x, w)
    y = z / (torch.exp(-z) + 1)
    s = torch.sigmoid(z)
    return y @ w, ((g @ w) * s * (z * (1 - s) + 1)) @ w


def gelu_layer(x: Tensor, w: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    z = torch.addmm(b, x, w)
    share = 0.5 * (torch.erf(z * 0.7071) + 1)
    return (z * share) @ w, ((g @ w) * (share + z * torch.exp(z * z * -0.5) * 0.3989)) @ w


def tanh_layer(x: Tensor, w: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    y = torch.tanh(torch.addmm(b, x, w))
    return y @ w, ((g @ w) * (1 - y * y)) @ w


def gated_layer(x: Tensor, w: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    """Two products of which one opens the other."""
    z = x @ w
    return ((z * torch.sigmoid(z) * (g @ w)) @ w,)


def no_sigmoid(x: Tensor, w: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    """What looks like silu, but for a factor that the sum has."""
    z = x @ w
    return ((z / torch.add(torch.exp(-z), 1, alpha=2)) @ w,)


def narrow(x: Tensor, w: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    return x @ w[:, :3] + b[:3], x.t() @ g[:, :2]


def moved(x: Tensor, w: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    """An optimiser's step, whose sizes are scalars."""
    step = b.sum()
    size = torch.expm1(step * -0.1)
    root = torch.sqrt(step * step + 1)
    return w - size * w / (torch.sqrt(w * w) * root + 1e-8), size


def given(width: int = WIDE) -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    return (
        torch.randn(ROWS, width),
        torch.randn(width, width) / width**0.5,
        torch.randn(width),
        torch.randn(ROWS, width),
    )


def graphs(function: Callable[..., Any], width: int = WIDE) -> tuple[Any, Any]:
    plain, other = (make_fx(function, tracing_mode="fake")(*given(width)) for _ in range(2))
    rewritten(other.graph)
    other.graph.lint()
    other.recompile()
    return plain, other


def count(module: Any, target: Any) -> int:
    return sum(node.target is target for node in module.graph.nodes)


def stored(module: Any) -> int:
    return sum("force_stride_order" in str(node.target) for node in module.graph.nodes)


@pytest.mark.parametrize("width", [WIDE, 20, 1])
@pytest.mark.parametrize("function", [silu_layer, gelu_layer, tanh_layer, gated_layer, no_sigmoid, narrow, moved])
def test_the_same_is_computed(function: Callable[..., Any], width: int) -> None:
    if function is narrow and width < 3:
        pytest.skip("needs three columns")
    plain, other = graphs(function, width)
    for a, b in zip(plain(*given(width)), other(*given(width)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_a_bias_is_added_by_what_follows() -> None:
    _, other = graphs(tanh_layer)
    assert count(other, aten.addmm.default) == 0


@pytest.mark.parametrize("function", [silu_layer, gelu_layer])
def test_a_derivative_is_worked_out_beside_its_function(function: Callable[..., Any]) -> None:
    _, other = graphs(function)
    assert stored(other) == 1
    assert count(other, aten.sigmoid.default) <= 2 and (function is gelu_layer or count(other, aten.exp.default) == 0)


@pytest.mark.parametrize("function", [tanh_layer, gated_layer, narrow])
def test_what_is_cheap_or_asked_for_once_is_not_stored(function: Callable[..., Any]) -> None:
    assert stored(graphs(function)[1]) == 0


def test_small_values_are_left_alone() -> None:
    assert stored(graphs(silu_layer, 20)[1]) == 0


def test_dear_scalars_are_stored_before_all_elements_read_them() -> None:
    _, other = graphs(moved)
    assert count(other, aten.cat.default) == 2
    readers = [n for n in other.graph.nodes if n.target in (aten.expm1.default,)]
    assert all(user.target is not aten.mul.Tensor for n in readers for user in n.users)


def test_narrow_products_are_laid_across() -> None:
    _, other = graphs(narrow)
    shapes = [tuple(n.meta["val"].shape) for n in other.graph.nodes if n.target is aten.mm.default]
    assert shapes == [(3, ROWS), (2, WIDE)]

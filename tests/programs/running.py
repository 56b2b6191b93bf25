"""Helpers of the tests of programs: the tensors that a program may move, and runs that are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tests.programs.declared import Declared


def tensors(modules: dict[str, nn.Module]) -> dict[str, Tensor]:
    """Copies of all parameters and buffers of modules, by name."""
    found = {}
    for name, module in modules.items():
        for key, tensor in [*module.named_parameters(), *module.named_buffers()]:
            found[f"{name}.{key}"] = tensor.detach().clone()
    return found


def distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """The largest absolute difference between tensors of the same names."""
    assert a.keys() == b.keys()
    return max((float((a[k].double() - b[k].double()).abs().max()) for k in a), default=0.0)


def run(
    make: Callable[[], Declared], backend: str, updates: int = 5, seed: int = 0, **options: Any
) -> tuple[Declared, list[dict[str, Tensor]], Any]:
    """A program made from a seed and run on its batch: the declaration, the metrics of every update, the update."""
    torch.manual_seed(seed)
    declared = make()
    update = declared.program.compile(backend=backend, seed=7, **options)
    return declared, [update(declared.batch) for _ in range(updates)], update


def agree(make: Callable[[], Declared], updates: int = 5, tolerance: float = 1e-6) -> None:
    """Eager and traced ahead of time do the same, in metrics, parameters and buffers."""
    one, metrics, _ = run(make, "eager", updates)
    two, traced, update = run(make, "aot_eager", updates)
    assert update.backend == "aot_eager"
    assert distance(tensors(one.modules), tensors(two.modules)) <= tolerance
    for a, b in zip(metrics, traced, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            torch.testing.assert_close(
                b[name], a[name], rtol=1e-5, atol=1e-5, check_dtype=False, msg=lambda m, n=name: f"{n}: {m}"
            )


def single(program: Any, batch: dict[str, Any], **modules: nn.Module) -> Declared:
    """A program as a declaration."""
    return Declared(program, batch, dict(modules), {}, {})

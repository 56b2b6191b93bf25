"""What every function that is compiled here shares: code of its own, and few guards."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from functools import cache
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, fx

from probrl.graph import rewriting

_numbers = itertools.count()


def own_code(method: Any, name: str = "update") -> Any:
    """A method or a function with a code object and a name of its own.

    What is compiled, and which sizes are taken to vary, is kept by code object and name, and each program is another one.
    """
    function = getattr(method, "__func__", method)
    code = function.__code__.replace(co_name=f"{name}_{next(_numbers)}")
    copy = FunctionType(code, function.__globals__, code.co_name, closure=function.__closure__)
    return MethodType(copy, method.__self__) if hasattr(method, "__self__") else copy


def compiled(function: Any, name: str, backend: str = "inductor") -> Any:
    """A function compiled whole; for a CPU its graph is rewritten first, see :mod:`probrl.graph.rewriting`."""
    own = kernels if backend == "inductor" else backend
    options: dict[str, Any] = {"guard_filter_fn": kept_guards}
    return torch.compile(own_code(function, name), fullgraph=True, backend=own, options=options)


def kernels(graph: fx.GraphModule, inputs: Sequence[Any]) -> Any:
    """What inductor makes of a graph; on a CPU, kernels are called from C++, where Python took a fifth of a small update."""
    from torch._inductor.compile_fx import compile_fx  # importing it costs seconds

    on_cpu = all(x.device.type == "cpu" for x in inputs if isinstance(x, Tensor))
    return compile_fx(graph, inputs, config_patches={**_patches(), "cpp_wrapper": on_cpu})


@cache
def _patches() -> dict[str, Any]:
    """How kernels are made: what guards look at is not looked at again, argument by argument, in the code itself."""
    from torch._inductor import config, custom_graph_pass

    class Rewriting(custom_graph_pass.CustomGraphPass):
        def __call__(self, graph: fx.Graph) -> None:
            rewriting.rewritten(graph)

        def uuid(self) -> Any:
            return custom_graph_pass.get_hash_for_files((rewriting.__file__,))

    # what has no entry of its own in C++ is called by torch's dispatcher; that is no news for a user, operation by operation
    logging.getLogger("torch._inductor.ir").addFilter(lambda record: "c-shim" not in record.getMessage())
    repeated = [n for n in ("size_asserts", "alignment_asserts", "scalar_asserts") if hasattr(config, n)]
    return {"post_grad_custom_post_pass": Rewriting(), **dict.fromkeys(repeated, False)}


def kept_guards(guards: Any) -> list[bool]:
    """What is looked at before each call: tensors, and whether modules train. Nothing else that is compiled can change."""
    return [g.guard_type in ("TENSOR_MATCH", "SHAPE_ENV") or str(g.name).endswith("training") for g in guards]

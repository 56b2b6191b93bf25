"""What every function that is compiled here shares: code of its own, and few guards."""

from __future__ import annotations

import itertools
from types import FunctionType, MethodType
from typing import Any

_numbers = itertools.count()


def own_code(method: Any, name: str = "update") -> Any:
    """A method or a function with a code object and a name of its own.

    What is compiled, and which sizes are taken to vary, is kept by code object and name, and each program is another one.
    """
    function = getattr(method, "__func__", method)
    code = function.__code__.replace(co_name=f"{name}_{next(_numbers)}")
    copy = FunctionType(code, function.__globals__, code.co_name, closure=function.__closure__)
    return MethodType(copy, method.__self__) if hasattr(method, "__self__") else copy


def kept_guards(guards: Any) -> list[bool]:
    """What is looked at before each call: tensors, and whether modules train. Nothing else that is compiled can change."""
    return [g.guard_type in ("TENSOR_MATCH", "SHAPE_ENV") or str(g.name).endswith("training") for g in guards]

"""How a formula runs: lowered to a ``torch.fx`` graph, bound to tensors, compiled as one fused update."""

from probrl.expr.base import install_reading
from probrl.expr.digest import digest
from probrl.graph.check import check
from probrl.graph.function import Function, evaluate
from probrl.graph.rules import axes, functions, leaves, pointwise, structure  # noqa: F401 - they fill the rules
from probrl.graph.source import source

install_reading("evaluate", evaluate)
install_reading("check", check)
install_reading("code", lambda expr: source(Function({"value": expr})))
install_reading("digest", digest)
install_reading("graph", lambda expr, **options: Function({"value": expr}, **options).module)


__all__ = ["Function", "evaluate"]

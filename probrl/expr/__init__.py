"""What a formula is: nodes, operators, axes, definitions and their types. Standard library only."""

from probrl.expr import inference  # noqa: F401 - it says how a node gets its type, so it comes before any node

"""What a formula is: nodes, operators, axes, definitions and their types. Standard library only."""

"""What every metric of an update means: said by its formula, and here for what every update says of itself."""

from __future__ import annotations

from probrl.expr import nodes as n
from probrl.expr.base import Expr, install_reading
from probrl.expr.definition import NamedHead
from probrl.program.builder import Builder
from probrl.program.program import Program
from probrl.program.repeats import Fit
from probrl.program.steps import Minimize, Report, Together
from probrl.program.terms import terms

LOSS = "what is {}d; says little alone, since its data change"
NORM = "norm of the gradient before it is clipped; without jumps"
FINITE = "1 when every value and gradient was finite; 0 refuses the update"
EPOCHS = "how often the data were gone through until the stopping condition held"


def metrics(program: Program) -> dict[str, str]:
    """The names of what an update of a program gives, each with its meaning; empty where nobody said one."""
    found: dict[str, str] = {}
    builder = Builder(program, None)
    together = {
        inner for step in program.walk() if isinstance(step, Together) and len(step.steps) > 1 for inner in step.steps
    }
    for step in program.walk():
        if isinstance(step, Minimize):
            name = builder.name(step)
            found[name] = meaning_of(step.loss) or LOSS.format(step.verb)
            found.update({term: meaning_of(x) for term, x in terms(step.loss).items()})
            found[f"{name}_grad_norm" if step in together else "grad_norm"] = NORM
            found["finite"] = FINITE
        elif isinstance(step, Report):
            found.update({k: step.meanings.get(k) or meaning_of(x) for k, x in step.values.items()})
        elif isinstance(step, Fit) and step.stop is not None:
            found["epochs"] = EPOCHS
    return found


def meaning_of(x: Expr) -> str:
    """What the author of a named formula, or of one whose mean is taken, said that it means."""
    inner = x.x if isinstance(x, n.Reduce) and x.op == "mean" else x
    named = isinstance(inner, n.Definition) and isinstance(inner.head, NamedHead)
    return inner.head.meaning if named else ""


install_reading("program_metrics", metrics)

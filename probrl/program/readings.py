"""The readings of a program that run: checks, sources, digests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probrl.expr.base import Expr, install_reading
from probrl.expr.digest import digest
from probrl.graph.batch import entries, sources_of
from probrl.graph.check import Check, check
from probrl.graph.function import Function
from probrl.graph.source import sources
from probrl.program.program import Program
from probrl.program.steps import Minimize, Prepare


def checked(program: Program, batch: Mapping[str, Any]) -> dict[str, Check]:
    """Every formula of a program against its graph on a batch, with the columns that it prepares.

    Errors:
        ProbrlError: at the first that differs.
    """
    columns = entries(batch, sources_of(program.columns.values()))
    found = {}
    for i, step in enumerate(program.walk()):
        made = {}
        for name, x in step.expressions().items():
            settled = program.settled(x)
            found[f"{i}.{type(step).__name__.lower()}.{name}"] = check(settled, columns)
            if isinstance(step, Prepare):
                made[name] = settled(columns).detach()
        columns.update(made)
    return found


def code(program: Program) -> str:
    """The source of every graph of a program."""
    functions: dict[str, Function] = {}
    for step in program.walk():
        exprs: dict[str, Expr] = {k: program.settled(x) for k, x in step.expressions().items()}
        if exprs:
            kind = "minimize" if isinstance(step, Minimize) else type(step).__name__.lower()
            count = sum(name.startswith(kind) for name in functions)
            functions[f"{kind}_{count + 1}" if count else kind] = Function(exprs)
    return sources(functions)


def program_digest(program: Program) -> str:
    """A hash of what every step runs, in order."""
    import hashlib

    parts = []
    for step in program.walk():
        plain: dict[str, Any] = {k: v for k, v in vars(step).items() if isinstance(v, (int, float, str))}
        if isinstance(step, Minimize):
            plain["rules"] = [repr(m.optimizer) for m in step.wrt if not isinstance(m.optimizer.lr, Expr)]
        parts.append(f"{type(step).__name__}:{sorted(plain.items(), key=str)}")
    exprs = program.expressions_
    return hashlib.sha256("\n".join([*parts, digest(*exprs) if exprs else ""]).encode()).hexdigest()[:16]


install_reading("program_check", checked)
install_reading("program_code", code)
install_reading("program_digest", program_digest)

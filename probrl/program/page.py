"""How a program prints: its steps in order, each with the formulas that it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import singledispatch
from typing import Any

from probrl.expr import nodes as n
from probrl.expr.base import Expr, install_reading
from probrl.printing import BECOMES, NOTHING, Desk, Gradients, Page, page_latex, page_png, page_text, show, words
from probrl.printing import boxes as b
from probrl.printing.gradients import gradients
from probrl.printing.names import Spelled, parse
from probrl.program.moves import Assign, Polyak, Snapshot
from probrl.program.program import Program
from probrl.program.repeats import Every, Fit
from probrl.program.steps import Minimize, Prepare, Report, Step, Together
from probrl.program.wrt import Moved

AFTER = Spelled(r":\quad ", ":  ")
Paper = Callable[[Any], Any]


class Writer:
    """Writes steps on a page.

    Args:
        program: whose ranks are settled for all of its steps.
        page: where the rows go.
        data: the letter of the rows that means run over, "D" for all data, "B" for a minibatch.
    """

    def __init__(self, program: Program, page: Page, data: str = "D", depth: int = 0):
        self.program, self.page, self.data, self.depth = program, page, data, depth

    def inside(self, data: str | None = None) -> Writer:
        """The writer of the steps of a step."""
        return Writer(self.program, self.page, data or self.data, self.depth + 1)

    def formula(self, right: Any, left: Any = None, sign: Spelled = AFTER) -> None:
        """A row with a formula; expressions as the whole program settles them."""
        self.page.row(self.program.settled(right), left, sign, data=self.data)

    def said(self, text: str, value: Any, before: str = "", of: Sequence[Moved] = ()) -> None:
        """A row in words that ends in a number or a formula; ``before`` the words may stand what they are said of."""
        settled = self.program.settled(value)

        def box(desk: Desk) -> b.Box:
            said = desk.box(settled) if isinstance(settled, Expr) else b.Literal(settled)
            if not of:
                return b.Prefix(b.Word(words(f"{before}{text} ")), said)
            whose = models(f"{before}for ", of)(desk)
            return b.Listed((whose, b.Word(words(f" {text} ")), said), Spelled("", ""))

        self.page.row(box, None, NOTHING, data=self.data)

    def remark(self, text: str) -> None:
        """A row in words."""
        self.page.row(words(text), None, NOTHING, data=self.data)

    def steps(self, steps: Sequence[Step]) -> None:
        """Every step in order; what is reported right after an update is of before it."""
        before: Step | None = None
        for step in steps:
            if isinstance(step, Report) and isinstance(before, (Minimize, Together)):
                self.remark("at the parameters before this update:")
            write(step, self)
            before = step


@singledispatch
def write(step: Step, to: Writer) -> None:
    """The rows of a step."""
    raise NotImplementedError(type(step).__name__)


@write.register
def _(step: Program, to: Writer) -> None:
    to.steps(step.steps)


@write.register
def _(step: Prepare, to: Writer) -> None:
    for name, x in step.columns.items():
        to.page.row(to.program.settled(x), to.program.settled(step.symbol(name)), BECOMES, data=to.data)


@write.register
def _(step: Minimize, to: Writer) -> None:
    to.formula(step.loss, models(f"{step.verb} over ", step.wrt))
    rules = dict.fromkeys(m.optimizer for m in step.wrt)
    for rule in rules:
        whose = [] if len(rules) == 1 else [m for m in step.wrt if m.optimizer == rule]
        to.said(f"({numbers(rule)}), at the rate", rule.lr, f"by {type(rule).__name__} ", whose)
    if step.max_grad_norm is not None:
        to.said("with the gradient norm clipped to", step.max_grad_norm)


@write.register
def _(step: Together, to: Writer) -> None:
    to.remark("at the same parameters:")
    to.steps(step.steps)


@write.register
def _(step: Report, to: Writer) -> None:
    for name, x in step.values.items():
        to.formula(x, words(f"report {name.replace('_', ' ')}"))


@write.register
def _(step: Fit, to: Writer) -> None:
    unit = {"row": "rows", "episode": "episodes"}[step.unit]
    over = "over all data"
    if step.minibatch is not None:
        over = f"over shuffled minibatches of {step.minibatch} {unit}, dropping an incomplete last one"
    to.said(f"repeat {over}; epochs:", step.epochs)
    inside = to.inside("B" if step.minibatch is not None else None)
    inside.steps(step.steps)
    if step.stop is not None:
        inside.formula(step.stop, words("skip this update and all that follow once"))
    inside.remark("end")


@write.register
def _(step: Every, to: Writer) -> None:
    to.remark(f"every {step.n} times:")
    to.inside().steps(step.steps)
    to.remark("end")


@write.register
def _(step: Polyak, to: Writer) -> None:
    tau = to.program.settled(step.tau)

    def mixed(live: Paper, copy: Paper) -> Paper:
        def box(desk: Desk) -> b.Box:
            kept, taken = (desk.box(x) if isinstance(x, Expr) else b.Literal(x) for x in (1 - tau, tau))
            return b.Sum((b.Product((kept, copy(desk))), b.Product((taken, live(desk)))))

        return box

    for live, copy in pairs(step):
        to.page.row(mixed(live, copy), copy, BECOMES, data=to.data)


@write.register
def _(step: Snapshot, to: Writer) -> None:
    for live, copy in pairs(step):
        to.page.row(live, copy, BECOMES)


@write.register
def _(step: Assign, to: Writer) -> None:
    value = step.value if step.when is None else n.Where(step.when, step.value, step.state)
    to.formula(value, step.state, BECOMES)


def pairs(step: Any) -> list[tuple[Paper, Paper]]:
    """The parameters of what a step moves: those of the live networks, and those of the copies."""
    owners = [net.owner for net in step.networks]

    def of(owner: Any, role: str) -> Paper:
        return lambda desk: b.Bracket(b.Word(words("parameters of")), desk.model(owner, owner.notation, role))

    return [(of(o, "live"), of(o, step.role)) for o in owners]


def models(text: str, wrt: Sequence[Moved]) -> Paper:
    """Words, and the models that they are said of."""

    def box(desk: Desk) -> b.Box:
        named = []
        for moved in wrt:
            if isinstance(moved.source, n.State):
                named.append(desk.box(moved.source))
            elif hasattr(moved.source, "notation"):
                owner = getattr(moved.source, "owner", moved.source)
                named.append(desk.model(owner, owner.notation, "live"))
            else:
                named.append(b.Letter(parse(moved.name)))
        return b.Listed((b.Prefix(b.Word(words(text)), named[0]), *named[1:]))

    return box


def numbers(rule: Any) -> str:
    """The hyper-parameters of an optimiser in words, without its learning rate."""
    said = ((f.name.replace("_", " "), getattr(rule, f.name)) for f in fields(rule) if f.name != "lr")
    return ", ".join(f"{k} {' and '.join(map(str, v)) if isinstance(v, tuple) else v}" for k, v in said)


def page_of(program: Program, expand: Any = False, legend: bool = True) -> Page:
    """The page of a program."""
    page = Page(expand=expand, legend=legend)
    Writer(program, page).steps(program.steps)
    if program.act is not None:
        page.row(program.settled(program.act), words("act by"), AFTER)
    return page


def print_latex(program: Program, **options: Any) -> None:
    """Prints the LaTeX; rendered in a notebook."""
    show(page_latex(page_of(program, **options)))


def table(program: Program) -> dict[str, Gradients]:
    """The table of gradients of every update, by what it moves."""
    found = {}
    for step in program.walk():
        if isinstance(step, Minimize):
            found[", ".join(m.name for m in step.wrt)] = gradients(
                program.settled(step.loss), [m.source for m in step.wrt]
            )
    return found


install_reading("program_latex", lambda program, **options: page_latex(page_of(program, **options)))
install_reading("program_text", lambda program, **options: page_text(page_of(program, **options)))
install_reading(
    "program_png",
    lambda program, path=None, expand=False, legend=True, **look: page_png(
        page_of(program, expand, legend), path, **look
    ),
)
install_reading("program_print_latex", print_latex)
install_reading("program_gradients", table)

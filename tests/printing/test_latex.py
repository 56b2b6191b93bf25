"""LaTeX: it compiles wherever it is shown, and reads as the author wrote it."""

from __future__ import annotations

import random

import pytest

import probrl as pr
from probrl.expr import nodes as n
from probrl.expr.state import Network
from probrl.printing import Page
from probrl.printing.latex import pairs_of
from tests.laws.formulas import TIME, corpus
from tests.laws.generator import Generator, World

x, y, z, v, w = pr.symbols("x y z", rank=0) + pr.symbols("v w", rank=1)
s, a = pr.symbols("s a")
eps = pr.constant("epsilon", 0.2)
V = Network(r"V_\phi", None)


def formula(expr) -> str:
    """The row itself, without the lines that explain it."""
    page = Page(legend=False, define=False)
    page.row(expr)
    return "".join(pairs_of(page.rows()[:1])[0])


def shown() -> list:
    world = World()
    generator = Generator(world, random.Random(2))
    return [*corpus().values(), *(generator.formula(i, depth=2) for i in range(40))]


def test_every_formula_compiles_in_katex(katex_errors):
    formulas = [f.latex(expand=e) for f in shown() for e in (False, True)]
    assert not katex_errors(formulas)


def test_every_row_parses_in_mathtext(mathtext_errors):
    rows = []
    for f in shown():
        page = Page()
        page.row(f)
        rows += [side.strip() for pair in pairs_of(page.rows()) for side in pair if side.strip()]
    assert not mathtext_errors(list(dict.fromkeys(rows)))


def test_every_formula_is_plain_latex(foreign_commands):
    assert not [c for f in shown() for c in foreign_commands(f.latex())]


@pytest.mark.parametrize(
    ("expr", "printed"),
    [
        (x - y, "x - y"),
        (x + (-0.5) * y, r"x + (-0.5)\, y"),
        (x - 0.5 * y, r"x - 0.5\, y"),
        (x - (y + z), "x - (y + z)"),
        (y + x, "y + x"),
        (-x * y, r"-x\, y"),
        (x * (-y), r"x\, (-y)"),
        (1 / x, r"\frac{1}{x}"),
        (x**-1, "x^{-1}"),
        (-x / y, r"-\frac{x}{y}"),
        (x / y / z, r"\frac{\frac{x}{y}}{z}"),
        ((x + y) * z, r"(x + y)\, z"),
        ((x / y) ** 2, r"\left( \frac{x}{y} \right)^{2}"),
        ((-x) ** 2, "(-x)^{2}"),
        (-(x**2), "-x^{2}"),
        (z * 2 * x, r"z \cdot 2\, x"),
        (pr.sqrt(x), r"\sqrt{x}"),
        (x + 1e-8, r"x + 1{\times}10^{-8}"),
        (pr.minimum(y, x), r"\min(y, x)"),
        (pr.clip(x, 1 - eps, 1 + eps), r"\operatorname{clip}(x, 1 - \epsilon, 1 + \epsilon)"),
        (pr.stop_gradient(x - y), r"\operatorname{sg}[x - y]"),
        (pr.sqnorm(v - w), r"\|v - w\|^{2}"),
        (pr.dot(v, w), r"\langle v,\; w \rangle"),
        (pr.sum_event((v - w) ** 2 / v), r"\sum_{d} \frac{(v_d - w_d)^{2}}{v_d}"),
        (pr.mean(x), r"\frac{1}{|\mathcal{D}|} \sum_{\mathcal{D}} x"),
        (pr.sum(x + y), r"\sum_{\mathcal{D}}\, [x + y]"),
        (pr.symbols("s_next", rank=0), "s'"),
        (pr.symbols("x_t", rank=0), "x_t"),
        (pr.symbols("rho_bar", rank=0), r"\bar{\rho}"),
        (pr.symbols("V_old", rank=0), r"V_{\mathrm{old}}"),
        (pr.symbols("clip_fraction", rank=0), r"\text{clip fraction}"),
        (n.Call(V, "live", (s,), 0, ()), r"V_\phi(s)"),
        (n.Call(V, "target", (s,), 0, ()), r"\bar{V}_\phi(s)"),
        (n.Call(V, "old", (s,), 0, ()), r"V_\phi^{\mathrm{old}}(s)"),
        (n.Call(V, "old", (s,), 0, ()) ** 2, r"V_\phi^{\mathrm{old}}(s)^{2}"),
        (pr.symbols("s_next", rank=0) ** 2, "(s')^{2}"),
        (x < y, r"\mathbb{1}[x < y]"),
        (pr.where(x < y, x, 0), r"\operatorname{where}(x < y, x, 0)"),
        (pr.grad(x * y, x), r"\nabla_{x}[x\, y]"),
    ],
)
def test_reads_as_written(expr, printed):
    assert formula(expr) == printed


def test_a_masked_mean_names_its_mask():
    u = pr.symbols("u", rank=0, axes=TIME)
    assert pr.mean(u).latex(legend=False) == (
        "\\begin{aligned}\n &\\frac{1}{\\sum_{\\mathcal{D}} m} \\sum_{\\mathcal{D}} m\\, u \\\\\n"
        "\\text{where}\\quad m & = \\mathrm{valid}\n\\end{aligned}"
    )


def test_a_recursion_prints_with_its_indices_and_its_start():
    u, ended = pr.symbols("u ended", rank=0, axes="time")
    A = pr.recursion(lambda A: u + 0.9 * (1 - ended) * A, init=0, over="time", reverse=True)
    assert r"A_t & = u_t + 0.9\, (1 - \mathrm{ended}_t)\, A_{t+1},\quad A_{\mathrm{end}} = 0" in pr.mean(A).latex()


def test_a_draw_is_a_letter_with_a_line_of_its_own():
    pi = pr.Normal("a | s", pr.mlp(3, 4), name=r"\pi_\theta")
    s_next = pr.symbols("s_next")
    printed = pr.mean(pi(s).log_prob(pi(s_next).draw())).latex()
    assert r"\log \pi_\theta(a' \mid s)" in printed
    assert r"a' & \sim \pi_\theta(\cdot \mid s')" in printed


def test_the_second_to_claim_a_letter_gets_a_subscript_and_the_legend_says_so():
    printed = (pr.constant("x", 3.0) * x + pr.noise(like=v).to_axis("v").sum("v")).latex()
    assert r"x_2\, x" in printed
    assert "x_2 & = 3.0" in printed
    assert r"v_2 &:\ \text{the index of v}" in printed


def test_a_definition_prints_by_its_name_and_expanded_on_request():
    e = pr.expectile(x, 0.7)
    assert formula(e) == r"\operatorname{expectile}(x, 0.7)"
    assert e.latex(expand=True) == r"|0.7 - \mathbb{1}[x < 0]|\, x^{2}"
    both = pr.expectile(x, 0.7) + pr.clip(x, 0, 1)
    assert r"\operatorname{clip}(x, 0, 1)" in both.latex(expand={"expectile"})
    assert r"\operatorname{expectile}(u, \tau) & = |\tau - \mathbb{1}[u < 0]|\, u^{2}" in e.latex()


def test_a_named_value_has_a_line_and_its_name_is_used_once():
    ratio = (x / y).named("ratio")
    assert (ratio * z + ratio).latex().splitlines()[1:3] == [
        r" &\mathrm{ratio}\, z + \mathrm{ratio} \\",
        r"\text{where}\quad \mathrm{ratio} & = \frac{x}{y}",
    ]


def test_a_long_formula_gives_letters_to_what_it_repeats():
    value = x
    for _ in range(40):
        value = value + pr.tanh(value * y + value)
    assert len(value.latex()) < 10_000
    assert len(str(value)) < 10_000


def test_a_page_shares_letters_and_explains_each_once():
    page = Page()
    page.row(eps * x, left=y)
    page.row(eps + 1, left=z, data="B")
    rows = [left + right for left, right in pairs_of(page.rows())]
    assert rows == [r"y = \epsilon\, x", r"z = \epsilon + 1", r"\text{where}\quad \epsilon = 0.2"]


def test_print_latex_prints(capsys):
    (x + y).print_latex()
    assert capsys.readouterr().out == "x + y\n"


def test_every_node_has_a_rule():
    from probrl.printing.layout import lay

    assert all(lay.dispatch(kind) is not lay.dispatch(object) for kind in n.NODES)


def test_every_box_has_both_scripts_and_a_precedence():
    from probrl.printing import boxes, latex, text

    kinds = [k for k in vars(boxes).values() if isinstance(k, type) and issubclass(k, boxes.Box) and k is not boxes.Box]
    for kind in kinds:
        assert kind in boxes.PRECEDENCE
        for script in (latex.write, text.write):
            assert script.dispatch(kind) is not script.dispatch(boxes.Box), (script, kind)


def test_every_notation_has_a_rule():
    from typing import get_args

    from probrl.expr.definition import Notation
    from probrl.printing.notation import lay_notation

    assert all(lay_notation.dispatch(kind) is not lay_notation.dispatch(object) for kind in get_args(Notation))


def recursion_and_columns():
    from probrl.printing import BECOMES

    u, ended, A, R = pr.symbols("u ended A R", rank=0, axes="time")
    return pr.recursion(lambda A: u + (1 - ended) * A, init=0, over="time", reverse=True), A, R, BECOMES


def test_a_column_that_becomes_a_recursion_is_its_state():
    found, A, R, becomes = recursion_and_columns()
    page = Page(legend=False)
    for _ in range(2):  # the same step twice in a program prints the same twice
        page.row(found, left=A, sign=becomes)
        page.row(found + u_of(found), left=R, sign=becomes)
    rows = [left + right for left, right in pairs_of(page.rows())]
    step = r"A_t \leftarrow u_t + (1 - \mathrm{ended}_t)\, A_{t+1},\quad A_{\mathrm{end}} = 0"
    assert rows == [step, r"R_t \leftarrow A_t + u_t"] * 2


def u_of(found):
    return found.steps[0].x


def test_a_recursion_that_is_run_again_later_is_not_the_column():
    found, A, _, becomes = recursion_and_columns()
    page = Page(legend=False)
    page.row(found, left=A, sign=becomes)
    page.row(pr.mean((found - A) ** 2), data="B")
    printed = "\n".join(left + right for left, right in pairs_of(page.rows()))
    assert r"A_t \leftarrow A_{2,t}" in printed
    assert r"(A_{2,t} - A_t)^{2}" in printed


def test_in_a_notebook_it_is_rendered(monkeypatch, capsys):
    import sys
    from types import ModuleType, SimpleNamespace

    shown = []
    notebook, display = ModuleType("IPython"), ModuleType("IPython.display")
    notebook.get_ipython = lambda: SimpleNamespace(kernel=True)
    display.Math, display.display = (lambda source: source), shown.append
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    (x / y).print_latex()
    assert shown == [r"\frac{x}{y}"]
    assert capsys.readouterr().out == ""


def test_a_notebook_shows_an_expression_by_itself(katex_errors):
    shown = (x / y)._repr_latex_()
    assert shown.startswith("$") and shown.endswith("$")
    assert not katex_errors([shown[1:-1]])


def test_a_distribution_prints_as_equations():
    printed = pr.Normal("a | s", pr.mlp(3, 4), name=r"\pi_\theta").latex()
    assert r"\tilde{a} & = \mu + \sigma\, \varepsilon" in printed
    assert r"D_{\mathrm{KL}}(\pi_\theta(\cdot \mid s) \,\|\, \pi_\theta^{\mathrm{old}}(\cdot \mid s)) & =" in printed
    assert "ã = μ + σ ε" in pr.Normal("a | s", pr.mlp(3, 4)).text()


def test_two_families_never_print_alike():
    s, c = pr.symbols("s"), pr.symbols("c", rank=1)
    made = [
        pr.Normal("c | s", pr.mlp(3, 4), name="p"),
        pr.Normal("c | s", pr.mlp(3, 2), name="p", scale="free"),
        pr.Normal("c | s", pr.mlp(3, 2), name="p", scale=0.3),
        pr.TanhNormal("c | s", pr.mlp(3, 4), name="p"),
        pr.Beta("c | s", pr.mlp(3, 4), name="p"),
        pr.MultivariateNormal("c | s", pr.mlp(3, 6), name="p"),
    ]
    for ask in (lambda p: p(s).log_prob(c), lambda p: p(s).draw()):
        assert len({pr.mean(pr.sum_event(ask(p) * c)).latex() for p in made}) == len(made)
        assert len({str(pr.mean(pr.sum_event(ask(p) * c))) for p in made}) == len(made)


def test_optimisers_are_said_of_models_by_their_letters():
    x, y = pr.symbols("x y")
    f, pi = (pr.Deterministic("f | x", pr.mlp(3, 1), name=name) for name in ("f", r"\pi_\theta"))
    step = pr.Minimize(pr.mean((f(x) + pi(x) - y) ** 2), wrt={f: pr.SGD(0.1), pi: pr.Adam(0.2)})
    assert r"\text{by Adam for }\pi_\theta\text{ (betas" in step.latex()
    assert "by Adam for π_θ (betas" in step.text()

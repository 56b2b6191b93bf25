"""The judges of printed formulas judge."""

GOOD = [
    r"\mathbb{E}\left[\min\left(r_t A_t, \operatorname{clip}(r_t, 1 - \epsilon, 1 + \epsilon) A_t\right)\right]",
    r"\left\| x' - \hat{x} \right\|^{2} \geq \frac{1}{2} \text{ where } \ell",
]
ALIGNED = r"\begin{aligned} x &= \frac{1}{y} \\ y &\leftarrow \sqrt{2} \end{aligned}"


def test_katex_takes_formulas_and_refuses_what_is_none(katex_errors):
    assert katex_errors([*GOOD, ALIGNED]) == []
    wrong = [r"\frac{1}", r"\text{a_b}", r"\mathds{E}", "é", r"x_a_b", r"\begin{align} x \end{align}"]
    assert len(katex_errors(wrong)) == len(wrong)


def test_mathtext_takes_rows_and_refuses_alignment(mathtext_errors):
    assert mathtext_errors(GOOD) == []
    assert len(mathtext_errors([ALIGNED, r"\operatorname*{max}_a", r"\lVert x \rVert", r"\frac{1}"])) == 4


def test_foreign_commands_are_named(foreign_commands):
    assert foreign_commands(ALIGNED) == []
    assert foreign_commands(GOOD[0]) == []
    assert foreign_commands(r"\mathds{E} \\alpha") == [r"\mathds"]
    assert foreign_commands(r"\begin{align} α \? \end{align}") == [r"\?", "align", "α"]

"""Names: spelled as the field writes them, and always something that every script can read."""

from __future__ import annotations

import random

import pytest

from probrl.printing.letters import Letters
from probrl.printing.names import Spelled, in_role, parse

ODD = [
    "obs/agent-1",
    "α",
    "价格",
    "a%b",
    "_x",
    "x_",
    "__",
    "é",
    "#1",
    "$x$",
    "\\foo",
    "{a",
    "a}b",
    "a^",
    "\\",
    "\\\\",
    "'",
]


@pytest.mark.parametrize(
    ("name", "latex", "text"),
    [
        ("s", "s", "s"),
        ("s_next", "s'", "s'"),
        ("next_value", r"\mathrm{value}'", "value'"),
        ("x_t", "x_t", "x_t"),
        ("H_0", "H_0", "H_0"),
        ("V_old", r"V_{\mathrm{old}}", "V_old"),
        ("logits_old", r"\mathrm{logits}_{\mathrm{old}}", "logits_old"),
        ("rho_bar", r"\bar{\rho}", "ρ̄"),
        ("A_hat", r"\hat{A}", "Â"),
        ("epsilon", r"\epsilon", "ϵ"),
        ("terminated", r"\mathrm{terminated}", "terminated"),
        ("log_ratio", r"\text{log ratio}", "log_ratio"),
        ("a_log_prob", r"a_{\text{log prob}}", "a_{log_prob}"),
        (r"\pi_\theta", r"\pi_\theta", "π_θ"),
        (r"\hat{A}_t", r"\hat{A}_t", "Â_t"),
        (r"\mathcal{L}", r"\mathcal{L}", "L"),
        ("π_θ", r"\pi_\theta", "π_θ"),
    ],
)
def test_spelling(name, latex, text):
    assert (parse(name).latex, parse(name).text) == (latex, text)


def test_roles_stand_at_the_letter():
    pi = parse(r"\pi_\theta")
    assert in_role(pi, "live") == pi
    assert in_role(pi, "target").latex == r"\bar{\pi}_\theta"
    assert in_role(pi, "old").latex == r"\pi_\theta^{\mathrm{old}}"
    assert in_role(pi, "reference").latex == r"\pi_\theta^{\mathrm{ref}}"
    assert in_role(in_role(pi, "target"), "target").latex != in_role(pi, "target").latex


def spelled() -> list[str]:
    rng = random.Random(0)
    letters = "abxyzA_^{}\\'01 -/%$#&~αβéπ\\theta"
    made = ["".join(rng.choices(letters, k=rng.randint(1, 8))) for _ in range(300)]
    names = [parse(n) for n in (*ODD, *made)]
    return [n.latex for n in names] + [n.above(Spelled("2", "2")).below(Spelled("t", "t")).latex for n in names]


def test_any_name_compiles(katex_errors):
    assert not katex_errors(spelled())


def test_any_name_parses_in_mathtext(mathtext_errors):
    assert not mathtext_errors(spelled())


def test_any_name_is_plain_latex(foreign_commands):
    assert not [c for latex in spelled() for c in foreign_commands(latex)]


def test_the_second_to_claim_a_letter_gets_a_subscript():
    letters = Letters()
    assert letters.claim("first", parse("x")).latex == "x"
    assert letters.claim("second", parse("x"), "another").latex == "x_2"
    assert letters.claim("third", parse("x"), "one more").latex == "x_3"
    assert letters.claim("first", parse("x")).latex == "x"
    assert [n.latex for n in letters.renamed] == ["x_2", "x_3"]


def test_an_index_makes_no_two_letters_alike():
    letters = Letters()
    letters.claim("x over time", parse("x"), indices=(Spelled("t", "t"),))
    assert letters.claim("a column called x_t", parse("x_t")).latex != "x_t"

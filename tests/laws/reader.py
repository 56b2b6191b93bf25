"""A reader of printed LaTeX: it knows no node, only what a person knows who sees the page.

It splits a page into lines, parses the right side of each, and works the first one out over named dimensions. Letters
of columns, networks, scalars and noise are given to it with their values; all other letters are explained by lines.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)?(?:\{\\times\}10\^\{-?\d+\})?)|(?P<space>\\;|\s+)|(?P<command>\\[A-Za-z]+|\\.)|(?P<char>.)"
)
FENCES = {"(": ")", "[": "]", "|": "|", r"\|": r"\|", r"\langle": r"\rangle", r"\lfloor": r"\rfloor"}
RELATIONS = ("<", ">", r"\leq", r"\geq", "=", r"\neq")
FUNCTIONS = (r"\exp", r"\log", r"\tanh", r"\sin", r"\cos", r"\arctan", r"\Gamma", r"\min", r"\max")
BIG = (r"\sum", r"\mean", r"\min", r"\max", r"\arg")


class Name(NamedTuple):
    """A letter with what stands below and above it, as source."""

    base: str
    subs: tuple[str, ...]
    sups: tuple[str, ...]
    primes: int


def tokens(source: str) -> list[str]:
    """The words of a formula; a mean is one word, fences have no size."""
    source = re.sub(r"\\frac\{1\}\{\|([^{}|]*(?:\{[^{}]*\})?)\|\} \\sum_\{\1\}", r"\\mean_{\1}", source)
    source = re.sub(r"\\(left|right)(?![A-Za-z])", "", source)
    return [m.group() for m in TOKEN.finditer(source) if not m["space"]]


class Parser:
    """Words to a tree of tuples: the kind, then the parts."""

    def __init__(self, source: str) -> None:
        self.words, self.at = [*tokens(source), ""], 0

    @property
    def word(self) -> str:
        return self.words[self.at]

    def take(self, *wanted: str) -> str:
        word = self.word
        if wanted and word not in wanted:
            raise ValueError(f"{' or '.join(wanted)} is missing before {''.join(self.words[self.at :])[:80]!r}")
        self.at += 1
        return word

    def group(self) -> str:
        """The source of what stands in braces, or of one word."""
        if self.word != "{":
            return self.take()
        depth, start = 0, self.at + 1
        while True:
            depth += {"{": 1, "}": -1}.get(self.take(), 0)
            if depth == 0:
                return " ".join(self.words[start : self.at - 1])

    def relation(self) -> Any:
        left = self.sum()
        return (self.take(), left, self.sum()) if self.word in RELATIONS else left

    def sum(self) -> Any:
        terms = [("negative", self._minus()) if self.word == "-" else self.product()]
        while self.word in ("+", "-"):
            minus = self.take() == "-"
            terms.append(("negative", self.product()) if minus else self.product())
        return terms[0] if len(terms) == 1 else ("sum", *terms)

    def _minus(self) -> Any:
        self.take("-")
        return self.product()

    def product(self) -> Any:
        factors = [self.power()]
        while self.word in (r"\,", r"\cdot", *BIG):
            if self.word not in BIG:
                self.take()
            factors.append(self.power())
        return factors[0] if len(factors) == 1 else ("product", *factors)

    def power(self) -> Any:
        if self.word in BIG and self.words[self.at + 1] in ("_", r"\min", r"\max"):
            return self.big()
        x = self.indexed(self.atom())
        if self.word == "^":
            self.take()
            exponent = Parser(self.group())
            x = ("power", x, exponent.relation())
        return x

    def big(self) -> Any:
        word = self.take()
        if word == r"\arg":
            word += self.take()
        self.take("_")
        under, _, mask = self.group().partition(" : ")
        if self.word == r"\,":
            self.take()
        return ("big", word, under, mask, self.product())

    def fenced(self, left: str) -> Any:
        self.take(left)
        x = self.relation()
        self.take(FENCES[left])
        return x

    def indexed(self, x: Any) -> Any:
        while self.word in ("[", "_"):
            if self.take() == "_":
                x = ("below", x, self.group())
                continue
            index = self.relation()
            if self.word == r"\to":
                self.take()
                index = ("to", index, self.relation())
            self.take("]")
            x = ("at", x, index)
        return x

    def arguments(self) -> list[Any]:
        self.take("(")
        found = [self.mapped()]
        while self.word == ",":
            self.take()
            found.append(self.mapped())
        self.take(")")
        return found

    def mapped(self) -> Any:
        x = self.relation()
        if self.word == r"\mapsto":
            self.take()
            return ("to", x, self.sum())
        return x

    def atom(self) -> Any:
        word = self.word
        if word[0].isdigit():
            mantissa, _, exponent = self.take().partition(r"{\times}10^")
            return ("number", float(f"{mantissa}e{exponent.strip('{}') or 0}"))
        if word == r"\langle":
            self.take()
            x = self.sum()
            self.take(",")
            y = self.sum()
            self.take(r"\rangle")
            return ("call", "dot", x, y)
        if word in ("(", "[", "|", r"\|", r"\lfloor"):
            kind = {"(": None, "[": None, "|": "abs", r"\|": "norm", r"\lfloor": "floor"}[word]
            x = self.fenced(word)
            return x if kind is None else ("call", kind, x)
        if word in (r"\frac", r"\sqrt"):
            self.take()
            parts = [Parser(self.group()).relation() for _ in range(2 if word == r"\frac" else 1)]
            return ("call", word, *parts)
        if word in (r"\nabla", r"\mathrm", r"\mathbb") and (made := self.bracketed()) is not None:
            return made
        return self.letter()

    def bracketed(self) -> Any:
        """A gradient, an indicator, a derivative along tangents; None for what only looks like one of them."""
        start, word = self.at, self.take()
        if word == r"\nabla":
            self.take("_")
            return ("grad", Parser(self.group()).relation(), self.fenced("["))
        content = self.group()
        if word == r"\mathbb" and content == "1":
            return self.fenced("[")
        if word == r"\mathrm" and content == "D" and self.word == "[":
            return ("jvp", self.fenced("["), *self.arguments())
        self.at = start
        return None

    def letter(self) -> Any:
        if self.word in FUNCTIONS:
            base = self.take()
            while self.word in FUNCTIONS:
                base += self.take()
            name = Name(base, (), (), 0)
        else:
            name = self.name()
        if self.word == "[" and name.base == r"\operatorname{sg}":
            return ("sg", self.fenced("["))
        if self.word == "(":
            return ("apply", name, *self.arguments())
        return ("letter", name)

    def name(self) -> Name:
        base, subs, sups, primes = self.take(), (), (), 0
        if self.word == "{" and base.startswith("\\"):
            base = f"{base}{{{self.group().replace(' ', '')}}}"
        while self.word in ("_", "'") or (self.word == "^" and self._decorates()):
            mark = self.take()
            if mark == "'":
                primes += 1
            elif mark == "_":
                subs = (*subs, *(x.strip() for x in self.group().split(" , ")))
            else:
                sups = (*sups, self.group())
        return Name(base, tuple(s.replace(" ", "") for s in subs), sups, primes)

    def _decorates(self) -> bool:
        """Whether what stands above is a word, that is part of a name, and no exponent."""
        inside = self.words[self.at + 1 : self.at + 3]
        return inside == ["{", r"\mathrm"] or inside[:1] == [r"\mathrm"]


def parse(source: str) -> Any:
    """The tree of a formula; ValueError where something stands that is none."""
    parser = Parser(source)
    tree = parser.relation()
    if parser.word:
        raise ValueError(f"{''.join(parser.words[parser.at :])[:80]!r} is left over in {source!r}")
    return tree


def name_of(source: str) -> Name:
    """A letter as the reader calls it."""
    return Parser(source).name()

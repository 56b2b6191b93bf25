"""Names: how they are spelled in LaTeX and in a terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple
from unicodedata import normalize


class Spelled(NamedTuple):
    """One thing in both scripts: LaTeX and unicode text."""

    latex: str
    text: str


_SMALL = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "pi",
    "rho",
    "sigma",
    "tau",
    "upsilon",
    "phi",
    "chi",
    "psi",
    "omega",
]
_CAPITAL = ["Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"]
GREEK = dict(zip(_SMALL, "αβγδϵζηθικλμνξπρστυφχψω", strict=True)) | dict(zip(_CAPITAL, "ΓΔΘΛΞΠΣΥΦΨΩ", strict=True))
GREEK |= {"varepsilon": "ε", "vartheta": "ϑ", "varphi": "ϕ", "ell": "ℓ"}
_FROM_UNICODE = {char: word for word, char in GREEK.items()}
_MARKS = frozenset({"next", "star", "bar", "hat", "tilde", "dot"})
_COMBINING = {"bar": "\u0304", "hat": "\u0302", "tilde": "\u0303", "dot": "\u0307"}
_FONTS = frozenset({"mathrm", "mathcal", "mathbb", "mathbf", "mathit", "mathsf", "text", "operatorname"})
_COMMANDS = frozenset({*GREEK, *_FONTS, *_COMBINING, "prime", "infty", "ast", "star", "cdot", "times", "perp"})
_BELOW = frozenset({"old", "new", "last", "first", "prev", "min", "max"})  # words that stand below a word
ROLE_WORDS = {"reference": "ref"}  # the others are short enough to stand as they are


@dataclass(frozen=True)
class Name:
    """A letter and what decorates it.

    Attributes:
        base: the letter or word itself.
        accent: "bar", "hat", "tilde" or "dot", or None.
        primes: how many primes follow.
        subs, sups: what stands below and above, separated by commas.
    """

    base: Spelled
    accent: str | None = None
    primes: int = 0
    subs: tuple[Spelled, ...] = ()
    sups: tuple[Spelled, ...] = ()

    def below(self, *more: Spelled) -> Name:
        """The same name with more below it."""
        return replace(self, subs=self.subs + more)

    def above(self, *more: Spelled) -> Name:
        """The same name with more above it."""
        return replace(self, sups=self.sups + more)

    @property
    def raised(self) -> bool:
        """Whether something stands above, so that a power needs parentheses."""
        return bool(self.primes or self.sups)

    @property
    def latex(self) -> str:
        """The LaTeX spelling."""
        head = f"\\{self.accent}{{{self.base.latex}}}" if self.accent else self.base.latex
        sub = "_" + _braced(",".join(s.latex for s in self.subs)) if self.subs else ""
        sup = "^" + _braced(",".join(s.latex for s in self.sups)) if self.sups else ""
        if self.primes and sup:
            above = "\\prime" * self.primes + "," + ",".join(s.latex for s in self.sups)
            return f"{head}{sub}^{{{above}}}"
        return f"{head}{sub}{sup}{chr(39) * self.primes}"  # a prime before the index would leave a gap in mathtext

    @property
    def text(self) -> str:
        """The unicode spelling."""
        head = self.base.text
        if self.accent:
            head = _accented(head, self.accent) if len(head) == 1 else f"{self.accent}({head})"
        sub = ",".join(s.text for s in self.subs)
        sup = ",".join(s.text for s in self.sups)
        below = f"_{sub}" if len(sub) == 1 or sub.isalnum() else f"_{{{sub}}}" if sub else ""
        above = f"^{sup}" if len(sup) == 1 or sup.isalnum() else f"^{{{sup}}}" if sup else ""
        return f"{head}{chr(39) * self.primes}{below}{above}"


def _accented(letters: str, accent: str) -> str:
    """Letters with an accent over the last one, as one character where unicode has it."""
    return normalize("NFC", letters + _COMBINING[accent])


def _braced(latex: str) -> str:
    return latex if len(latex) == 1 or re.fullmatch(r"\\[A-Za-z]+", latex) else f"{{{latex}}}"


def plain(word: str) -> str:
    """A word with only what KaTeX's strict text mode takes; other characters become their code points."""
    word = word.replace("_", " ")
    return "".join(c if c.isascii() and (c.isalnum() or c in " -.,:;()/") else f"u{ord(c):x}" for c in word)


def spell(word: str) -> Spelled:
    """One word: a letter or a number stays, a Greek word becomes its letter, anything else stands upright."""
    word = _FROM_UNICODE.get(word, word)
    if word in GREEK:
        return Spelled(f"\\{word}", GREEK[word])
    if word.isascii() and (word.isdigit() or (len(word) == 1 and word.isalpha())):
        return Spelled(word, word)
    clean = plain(word)
    return Spelled(f"\\mathrm{{{clean}}}" if clean.isalnum() else f"\\text{{{clean}}}", word)


def parse(name: str) -> Name:
    """A name as the user typed it: an identifier such as ``s_next`` or ``rho_bar``, or LaTeX such as ``\\pi_\\theta``.

    Example:
        >>> parse("s_next").latex, parse("V_old").latex, parse(r"\\pi_\\theta").text
        ("s'", 'V_{\\\\mathrm{old}}', 'π_θ')
    """
    if any(c in name for c in "\\^{}'"):
        return _parse_latex(name)
    first, *rest = name.split("_")
    if first == "next" and rest:
        first, *rest = [*rest, "next"]
    if not first or "" in rest:
        return Name(Spelled(f"\\text{{{plain(name)}}}", name))
    marks = [w for w in rest if w in _MARKS]
    words = [w for w in rest if w not in _MARKS]
    if len(first) > 1 and first not in GREEK and words and not any(w.isdigit() or w in _BELOW for w in words):
        made = Name(Spelled(f"\\text{{{plain(' '.join([first, *words]))}}}", "_".join([first, *words])))
    else:
        made = Name(spell(first))
        plural = len(words) > 1 and all(len(w) > 1 and w not in GREEK and w.isalpha() for w in words)
        below = (
            [Spelled(f"\\text{{{plain(' '.join(words))}}}", "_".join(words))] if plural else [spell(w) for w in words]
        )
        made = made.below(*below)
    for mark in marks:
        made = _marked(made, mark)
    return made


def _marked(name: Name, mark: str) -> Name:
    if mark == "next":
        return replace(name, primes=name.primes + 1)
    if mark == "star":
        return name.above(Spelled("*", "*"))
    return replace(name, accent=mark) if name.accent is None else name.above(spell(mark))


_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[^\s]")


def _parse_latex(name: str) -> Name:
    tokens = _TOKEN.findall(name)
    upright = Name(Spelled(f"\\text{{{plain(name)}}}", name))
    if not _is_formula(tokens):
        return upright
    base, tokens = _group(tokens)
    made = Name(base)
    while tokens:
        mark, tokens = tokens[0], tokens[1:]
        if mark == "'":
            made = replace(made, primes=made.primes + 1)
        elif mark in "_^" and tokens and tokens[0] not in "_^'":
            part, tokens = _group(tokens)
            made = made.below(part) if mark == "_" else made.above(part)
        else:
            return upright
    return made


def _is_formula(tokens: list[str]) -> bool:
    """Whether every script knows all commands, and the braces match."""
    depth = 0
    for token in tokens:
        depth += (token == "{") - (token == "}")
        known = token[1:] in _COMMANDS if token.startswith("\\") else token.isascii() and token not in "$&#%~"
        if depth < 0 or not known:
            return False
    return depth == 0 and bool(tokens) and tokens[0] not in "_^'}" and not re.search(r"[_^](}|$)|{}", "".join(tokens))


def _group(tokens: list[str]) -> tuple[Spelled, list[str]]:
    """The first token, group or command with its argument, and what follows."""
    head, rest = tokens[0], tokens[1:]
    if head == "{":
        inner, rest = _until_closed(rest)
        return Spelled(_joined(inner), _as_text(inner)), rest
    if head[1:] in _COMBINING and rest and rest[0] != "{":
        letter, rest = _group(rest)
        return Spelled(f"{head}{{{letter.latex}}}", _accented(letter.text, head[1:])), rest
    if head.startswith("\\") and head[1:] not in GREEK and rest and rest[0] == "{":
        inner, rest = _until_closed(rest[1:])
        return Spelled(f"{head}{{{_joined(inner)}}}", _as_text([head, "{", *inner, "}"])), rest
    if head.startswith("\\") or len(head) == 1:
        return Spelled(head, _as_text([head])), rest
    return spell(head), rest


def _until_closed(tokens: list[str]) -> tuple[list[str], list[str]]:
    depth = 1
    for i, token in enumerate(tokens):
        depth += (token == "{") - (token == "}")
        if depth == 0:
            return tokens[:i], tokens[i + 1 :]
    return tokens, []


def _joined(tokens: list[str]) -> str:
    out = ""
    for token in tokens:
        out += " " + token if re.search(r"\\[A-Za-z]+$", out) and token[0].isalpha() else token
    return out


def _as_text(tokens: list[str]) -> str:
    out, accent = "", None
    for token in tokens:
        if token in "{}":
            continue
        word = token[1:] if token.startswith("\\") else token
        if word in _COMBINING:
            accent = word
            continue
        if token.startswith("\\") and word in _FONTS:
            continue
        out += GREEK.get(word, word) if token.startswith("\\") else token
        if accent:
            out, accent = _accented(out, accent), None
    return out


def in_role(name: Name, role: str) -> Name:
    """A distribution's name in a role: a bar for the target, the role's word above for the others."""
    if role == "live":
        return name
    if role == "target" and name.accent is None and "bar" not in name.base.latex:
        return replace(name, accent="bar")
    return name.above(spell(ROLE_WORDS.get(role, role)))
